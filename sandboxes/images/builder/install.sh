#!/bin/sh
# Turns a pulled Debian into the builder: install.sh PACKAGE…
set -eu
. /recipe-lib/sources.sh
_apt_settings
cp /tmp/apt-settings /etc/apt/apt.conf.d/99footbridge
debian_sources >/tmp/sources
if [ -s /tmp/sources ]; then set -- -o Dir::Etc::SourceList=/tmp/sources -o Dir::Etc::SourceParts=/dev/null "$@"; fi
options=
while [ "${1:-}" = -o ]; do
  options="$options -o $2"
  shift 2
done
# shellcheck disable=SC2086 # the options hold no blanks
apt-get -q $options update
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get -q $options install -y --no-install-recommends "$@"
rm -rf /etc/apt/apt.conf.d/99footbridge /tmp/* /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
