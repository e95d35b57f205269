#!/bin/sh
# Makes the builder's root file system on the host itself: bootstrap.sh WORK LIBRARY PACKAGE…
set -eu
work=$1
library=$2
shift 2
. "$library/sources.sh"
debian_sources >"$work/sources"
printf '%s\n' "${FB_APT_SETTINGS:-}" >"$work/apt-settings"
include=$(printf ',%s' "$@")
set -- "$suite" "$work/rootfs.tar"
[ ! -s "$work/sources" ] || set -- "$@" "$work/sources"
mmdebstrap --mode=root --variant=minbase --include="${include#,}" \
  --aptopt="$work/apt-settings" --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/apt/sources.list.d/*; : >"$1"/etc/apt/sources.list' \
  "$@"
