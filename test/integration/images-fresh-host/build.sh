# A host nobody has prepared: a Debian as small as it comes, with what the tests look at it with.
. /recipe-lib/lib.sh
suite=$SUITE
debian_rootfs /work/root ca-certificates procps iproute2 nftables
pack_rootfs /work/root
