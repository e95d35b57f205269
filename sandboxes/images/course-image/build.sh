# A container image of a course: Debian packages and files of an app, written as the tar that `docker save` would write,
# so that its name is nobody's business but the cluster's.
. /recipe-lib/lib.sh

root=/work/root
progress 0.05 "installing packages"
# shellcheck disable=SC2086 # a list of names
debian_rootfs $root $PACKAGES

progress 0.6 "adding the application"
without_manuals $root
# Nothing is ever installed in a running container, so what serves that can go.
rm -rf $root/var/lib/apt $root/var/cache/apt $root/var/lib/dpkg/info $root/usr/share/doc $root/usr/bin/apt* \
  $root/usr/lib/apt $root/usr/lib/*/libapt-pkg* $root/usr/lib/*/perl-base $root/usr/bin/perl*
cp -rT /inputs/files $root
groupadd --root $root --gid "$USER_ID" "$USER_NAME"
useradd --root $root --uid "$USER_ID" --gid "$USER_ID" --home-dir / --no-create-home --shell /usr/sbin/nologin "$USER_NAME"
rm -rf $root/dev/* $root/tmp/* $root/run/* $root/var/log/*

progress 0.7 "writing the image"
mkdir -p /work/image
# One time for all files, so that the same packages give the same layer.
tar --numeric-owner --sort=name --mtime=@0 -C $root -cf /work/image/layer.tar .
digest=$(sha256sum /work/image/layer.tar | cut -d' ' -f1)
jq -n --argjson config "$CONFIG" --arg digest "sha256:$digest" '{
  architecture: "amd64", os: "linux", created: "1970-01-01T00:00:00Z", config: $config,
  rootfs: { type: "layers", diff_ids: [$digest] },
  history: [{ created: "1970-01-01T00:00:00Z", created_by: "footbridge" }]
}' >/work/image/config.json
jq -n --arg reference "$REFERENCE" '[{ Config: "config.json", RepoTags: [$reference], Layers: ["layer.tar"] }]' \
  >/work/image/manifest.json
tar -C /work/image -cf /out/image.tar manifest.json config.json layer.tar
