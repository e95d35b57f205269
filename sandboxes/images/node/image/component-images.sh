# shellcheck shell=sh
# import_component_images ROOT: makes an image of each component and unpacks it in ROOT's containerd.
import_component_images() {
  root=$1
  start_containerd
  image_of() { "$root/usr/bin/kubeadm" config images list --kubernetes-version "$(cat "$root/kind/version")" | grep "/$1:"; }
  for name in kube-apiserver kube-controller-manager kube-scheduler; do
    put_in "$name" "/inputs/kubernetes/$name" usr/local/bin/
    import_image "$name" "$(image_of "$name")"
  done
  put_in etcd /inputs/etcd/etcd usr/local/bin/
  import_image etcd "$(image_of etcd)"
  put_in coredns /inputs/coredns/coredns ""
  import_image coredns "$(image_of coredns)" '"/coredns"'
  put_in pause /inputs/pause/pause ""
  import_image pause "$(sed -n 's/^ *sandbox_image = "\(.*\)"/\1/p' "$root/etc/containerd/config.toml")" '"/pause"'
  put_in local-path-provisioner /inputs/local-path-provisioner/local-path-provisioner usr/local/bin/
  import_image local-path-provisioner "$(storage_image local-path-provisioner)"
  put_shell_in local-path-helper
  import_image local-path-helper "$(storage_image local-path-helper)"

  put_network_tools_in kube-proxy
  put_in kube-proxy /inputs/kubernetes/kube-proxy usr/local/bin/
  import_image kube-proxy "$(image_of kube-proxy)"
  put_network_tools_in node-network
  put_shell_in node-network
  put_in node-network /inputs/network-policies/kube-router usr/local/bin/
  put_in node-network /recipe/network/node-network.sh usr/local/bin/
  mv /work/images/node-network/usr/local/bin/node-network.sh /work/images/node-network/usr/local/bin/node-network
  import_image node-network "footbridge.local/node-network:v1"
  stop_containerd
}

storage_image() { sed -n "s|^ *image: \(.*/$1:.*\)|\1|p" /inputs/kind/default-storage.yaml; }

# put_in IMAGE FILE FOLDER
put_in() { mkdir -p "/work/images/$1/$3" && install -m 0755 "$2" "/work/images/$1/$3"; }

put_shell_in() {
  mkdir -p "/work/images/$1/bin"
  cp "$root/usr/bin/busybox" "/work/images/$1/bin/"
  for applet in sh cat grep mkdir mv rm sleep; do ln -sf busybox "/work/images/$1/bin/$applet"; done
}

# The commands that program the node's network and iptables' extensions, with the libraries of both, out of the node's
# own Debian.
put_network_tools_in() {
  extensions=/usr/lib/x86_64-linux-gnu/xtables
  mkdir -p "/work/images/$1$extensions" "/work/images/$1/usr/sbin" "/work/images/$1/tmp"
  cp -a "$root$extensions/." "/work/images/$1$extensions/"
  commands=$(chroot "$root" sh -c 'for command in xtables-nft-multi nft ip ipset conntrack; do
    realpath "$(command -v $command)"
  done')
  # shellcheck disable=SC2086 # paths hold no blanks
  for file in $commands $(chroot "$root" sh -c "ldd $(echo $commands) $extensions/*.so" | grep -o '[[:blank:]]/[^ :]*'); do
    mkdir -p "/work/images/$1$(dirname "$file")"
    cp -L "$root$file" "/work/images/$1$file"
  done
  for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -sf xtables-nft-multi "/work/images/$1/usr/sbin/$name"
  done
}

start_containerd() {
  cat >/work/containerd.toml <<EOF
version = 3
root = "$root/var/lib/containerd"
state = "/run/footbridge-containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
[grpc]
  address = "/run/footbridge-containerd.sock"
EOF
  "$root/usr/local/bin/containerd" --config /work/containerd.toml >/work/containerd.log 2>&1 &
  containerd_process=$!
  tries=0
  until images ls -q >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 300 ]; then cat /work/containerd.log && return 1; fi
    sleep 0.1
  done
}

stop_containerd() {
  kill "$containerd_process"
  wait "$containerd_process" || true
}

images() { "$root/usr/local/bin/ctr" --address /run/footbridge-containerd.sock --namespace k8s.io images "$@"; }

# import_image NAME TAG [ENTRYPOINT]: one layer, root's, no times, so that the same inputs give the same image.
import_image() {
  [ -n "$2" ] || { echo "no tag is known for $1" >&2 && return 1; }
  folder=/work/archives/$1
  mkdir -p "$folder"
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "/work/images/$1" -cf "$folder/layer.tar" .
  digest=$(sha256sum "$folder/layer.tar" | cut -d' ' -f1)
  cat >"$folder/config.json" <<EOF
{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Entrypoint":[${3:-}]},"rootfs":{"type":"layers","diff_ids":["sha256:$digest"]}}
EOF
  printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$2" >"$folder/manifest.json"
  tar -C "$folder" -cf - manifest.json config.json layer.tar |
    images import --label io.cri-containerd.pinned=pinned --snapshotter overlayfs -
  # Unpacked, the layer's archive is of no more use; kind sets discard_unpacked_layers for the same reason.
  "$root/usr/local/bin/ctr" --address /run/footbridge-containerd.sock --namespace k8s.io content rm "sha256:$digest"
  rm -rf "$folder" "/work/images/$1"
}
