# shellcheck shell=sh
# lay_out_base ROOT: what images/base/Dockerfile of the kind module does after it has installed packages.
lay_out_base() {
  tar --no-same-owner -C "$1" -xf /inputs/kind/base.tar
  (cd "$1" && tar -tf /inputs/kind/base.tar | while read -r path; do
    case $path in
      */usr/local/bin/* | */kind/bin/*) chmod 0755 "$path" ;;
      */) chmod 0755 "$path" ;;
      *) chmod 0644 "$path" ;;
    esac
  done)
  find "$1/usr/lib/systemd/system/sysinit.target.wants/" -name systemd-tmpfiles-setup.service -delete
  for wanted in usr/lib/systemd/system/multi-user.target.wants etc/systemd/system/*.wants \
    usr/lib/systemd/system/local-fs.target.wants usr/lib/systemd/system/basic.target.wants; do
    # shellcheck disable=SC2086 # the pattern is to match
    rm -f "$1"/$wanted/*
  done
  rm -f "$1"/usr/lib/systemd/system/sockets.target.wants/*udev* "$1"/usr/lib/systemd/system/sockets.target.wants/*initctl*
  mkdir -p "$1/etc/systemd/journald.conf.d"
  printf '[Journal]\nReadKMsg=no\n' >"$1/etc/systemd/journald.conf.d/footbridge.conf"
  ln -sf /usr/lib/systemd/systemd "$1/usr/sbin/init"

  mkdir -p "$1/etc/kubernetes/manifests" "$1/kind/manifests" "$1/opt/cni/bin"
  install -m 0755 /inputs/kubernetes/kubeadm /inputs/kubernetes/kubelet /inputs/kubernetes/kubectl "$1/usr/bin/"
  install -m 0755 /inputs/containerd/* "$1/usr/local/bin/"
  install -m 0755 /inputs/cni-plugins/* "$1/opt/cni/bin/"
  chroot "$1" systemctl enable kubelet.service containerd.service undo-mount-hacks.service
  chroot "$1" systemctl mask systemd-binfmt.service
  # Where network/node-network.sh puts what pods' networks are made from, and why not under /etc.
  printf '\n[plugins."io.containerd.grpc.v1.cri".cni]\n  conf_dir = "/run/cni/net.d"\n' >>"$1/etc/containerd/config.toml"
  "$1/usr/local/bin/ctr" oci spec |
    jq '.hooks.createContainer += [{ path: "/kind/bin/mount-product-files.sh" }] | del(.process.rlimits)' \
      >"$1/etc/containerd/cri-base.json"

  kubernetes_version=$(/inputs/kubernetes/kubeadm version -o short)
  printf %s "$kubernetes_version" >"$1/kind/version"
  cp /inputs/kind/default-storage.yaml "$1/kind/manifests/default-storage.yaml"
  cp /recipe/network/default-cni.yaml "$1/kind/manifests/default-cni.yaml"
}
