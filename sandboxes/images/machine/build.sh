# The machine container: QEMU on a minimal Debian, for any host.
. /recipe-lib/lib.sh

root=/work/root
progress 0.05 "installing QEMU"
# shellcheck disable=SC2086 # a list of names
debian_rootfs $root $PACKAGES

progress 0.8 "trimming"
without_manuals $root
# Only what an x86 guest without a display and without option ROMs needs: -kernel boots through linuxboot_dma.
rm -rf $root/usr/share/qemu/edk2* $root/usr/share/ovmf $root/usr/share/OVMF $root/usr/share/seabios/vgabios* \
  $root/usr/share/icons $root/usr/share/qemu/*.dtb $root/usr/share/qemu/opensbi* $root/usr/share/qemu/*.img

groupadd --root $root --gid 1000 qemu
useradd --root $root --uid 1000 --gid 1000 --home-dir /var/lib/machine --no-create-home --shell /usr/sbin/nologin qemu
install -d -m 0755 $root/guest
install -d -m 0700 -o 1000 -g 1000 $root/var/lib/machine $root/run/machine

progress 0.9 "packing"
pack_rootfs $root
