#!/bin/sh
# ttyd as Debian has it, with its libraries and their loader, so that it runs on this host whatever its release.
. /recipe-lib/lib.sh
# No stable release has the package.
suite=forky
debian_rootfs /work/root ttyd -- --variant=extract
tar -C /work/root -cf /out/ttyd.tar usr/bin/ttyd usr/lib/x86_64-linux-gnu
