# What every build.sh may use: `. /recipe-lib/lib.sh`. POSIX sh.
set -eu
. /recipe-lib/sources.sh

# progress 0.4 "unpacking": how far this build is, 0 to 1, and what it does now.
progress() {
  printf '@@progress %s %s\n' "$1" "$2"
}

# debian_rootfs DIR PACKAGE… [-- MMDEBSTRAP-OPTION…]: a minimal Debian with these packages in DIR, without
# recommended ones, documentation other than copyrights, or anything of this host.
debian_rootfs() {
  target=$1
  shift
  packages=
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    packages="$packages,$1"
    shift
  done
  [ $# -eq 0 ] || shift
  _apt_settings
  debian_sources >/tmp/sources
  archives=/cache/apt/${FB_IMAGE:-shared}
  mkdir -p "$archives" "$target"
  # Two builds of one name may share the archive folder, and apt wants it to itself.
  exec 9>"$archives.lock"
  flock 9
  if [ -s /tmp/sources ]; then set -- "$@" "$suite" "$target" /tmp/sources; else set -- "$@" "$suite" "$target"; fi
  mmdebstrap --mode=root --variant=minbase --format=directory \
    --include="${packages#,}" \
    --aptopt=/tmp/apt-settings --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --skip=essential/unlink,download/empty \
    --setup-hook="mkdir -p \"\$1\"/var/cache/apt/archives && mount --bind $archives \"\$1\"/var/cache/apt/archives" \
    --customize-hook='umount "$1"/var/cache/apt/archives' \
    "$@"
  exec 9>&-
  rm -f "$target"/etc/apt/apt.conf.d/99mmdebstrap "$target"/etc/resolv.conf
  rm -rf "$target"/etc/apt/sources.list.d/* "$target"/var/lib/apt/lists/* "$target"/var/cache/apt/*.bin
  rm -f "$target"/var/log/apt/* "$target"/var/log/dpkg.log "$target"/var/log/bootstrap.log
  echo '# No package mirror is reachable from here unless somebody names one.' >"$target"/etc/apt/sources.list
}

# without_manuals DIR: takes manual pages away, where nobody reads them.
without_manuals() {
  rm -rf "$1"/usr/share/man/* "$1"/usr/share/info/*
}

# pack_rootfs DIR: the tar that becomes the image.
pack_rootfs() {
  tar --numeric-owner --xattrs --xattrs-include='*' -C "$1" -cf /out/rootfs.tar .
}
