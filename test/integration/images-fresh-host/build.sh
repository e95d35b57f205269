# A host nobody has prepared: a Debian 13 as small as it comes.
. /recipe-lib/lib.sh
debian_rootfs /work/root ca-certificates procps iproute2
pack_rootfs /work/root
