# The machine image: the machine container with the guest's kernel and disks inside.
. /recipe-lib/lib.sh

root=/work/root
guest=/out/context/guest
mkdir -p $guest

progress 0.02 "installing the guest's packages"
# libLLVM only serves PostgreSQL's just-in-time compiler, which would be slower than no compiler here.
# shellcheck disable=SC2086 # a list of names
debian_rootfs $root $PACKAGES $APP_PACKAGES -- \
  --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' --dpkgopt='path-exclude=/usr/lib/*/libz3*' \
  --dpkgopt='path-exclude=/usr/share/doc-base/*' --dpkgopt='path-exclude=/usr/share/info/*'

progress 0.5 "configuring the guest"
cp -rT /recipe/files $root
chmod 0755 $root/usr/local/sbin/*
chmod 0440 $root/etc/sudoers.d/*
mkdir -p $root/etc/nftables.d
echo machine >$root/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 machine\n' >$root/etc/hosts
ln -sf /usr/share/zoneinfo/UTC $root/etc/localtime
# Filled anew for every sandbox.
: >$root/etc/machine-id
rm -f $root/etc/ssh/ssh_host_* $root/var/lib/dbus/machine-id
: >$root/etc/resolv.conf

# Enough of a running system for package scripts and for a service to be started once.
mount -t proc proc $root/proc
mkdir -p $root/dev/shm
mount -t tmpfs shm $root/dev/shm
[ -e $root/dev/null ] || mknod -m 0666 $root/dev/null c 1 3
in_root() { chroot $root env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
in_root useradd --create-home --shell /bin/bash --groups sudo,adm,systemd-journal admin
in_root usermod -aG docker admin
# Sudo asks for none, and SSH takes none: this one is for the console.
echo 'admin:admin' | in_root chpasswd
# A locked password would refuse keys as well; `*` only refuses passwords.
in_root usermod -p '*' root
install -d -m 0700 $root/root/.ssh
in_root install -d -m 0700 -o admin -g admin /home/admin/.ssh

in_root systemctl --quiet enable footbridge-config.service footbridge-data-disk.service nftables.service \
  networking.service ssh.service serial-getty@ttyS0.service docker.socket cron.service
# Docker starts when somebody asks it something; a boot doesn't wait for it.
in_root systemctl --quiet disable docker.service containerd.service
in_root systemctl --quiet set-default multi-user.target
for unit in $MASKED_UNITS; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
mkdir -p $root/etc/systemd/system-generators $root/etc/tmpfiles.d
for generator in $MASKED_GENERATORS; do ln -sf /dev/null "$root/etc/systemd/system-generators/$generator"; done
# Its /run/nologin would keep `admin` out until the last service is up.
ln -sf /dev/null $root/etc/tmpfiles.d/systemd-nologin.conf
in_root env LC_ALL=C.UTF-8 sh -c 'echo LANG=C.UTF-8 >/etc/default/locale'

for app in $APPS; do
  progress 0.55 "installing $app"
  mkdir -p /work/data/$app
  (cd /inputs/apps/$app && sh -e guest/install.sh $root /work/data/$app)
done

# systemd breaks a cycle by leaving out a unit of its choice, another one at each boot.
in_root systemd-analyze verify --man=no default.target >/work/verify 2>&1 || true
if grep -i 'ordering cycle' /work/verify; then
  cat /work/verify
  exit 1
fi
umount $root/dev/shm $root/proc

progress 0.65 "making the initrd"
version=$(basename $root/lib/modules/*)
initrd=/work/initrd
mkdir -p $initrd/bin $initrd/dev $initrd/proc $initrd/sys $initrd/root $initrd/modules
cp $root/usr/bin/busybox $initrd/bin/busybox
install -m 0755 /recipe/initrd-init $initrd/init
for module in $INITRD_MODULES; do
  chroot $root modprobe --set-version "$version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
done | awk '!seen[$0]++' >/work/modules
while read -r path; do
  name=$(basename "$path" .xz)
  case $path in
    *.xz) xz -dc "$root/$path" >"$initrd/modules/$name" ;;
    *) cp "$root/$path" "$initrd/modules/$name" ;;
  esac
  echo "$name" >>$initrd/modules/order
done </work/modules
cat $initrd/modules/order
# Not compressed: QEMU puts it into memory at once, and unpacking costs seconds under emulation.
(cd $initrd && find . | cpio --quiet --create --format=newc --owner=0:0) >$guest/initrd.img
cp "$root/boot/vmlinuz-$version" $guest/vmlinuz
rm -rf $root/boot/* $root/vmlinuz* $root/initrd.img*
printf '%s\n' "$CMDLINE" >$guest/cmdline

progress 0.7 "making the root disk"
du -sxm $root
# Nothing is older than what it was made from, so the first boot has nothing to bring up to date.
touch $root/etc/.updated $root/var/.updated
rm -rf $root/tmp/* $root/run/* $root/var/log/journal/* $root/usr/share/locale/*
truncate -s 8G /work/root.raw
# No journal checksums or lazy initialisation left to do at first boot.
mke2fs -q -t ext4 -d $root -L root -m 1 -E lazy_itable_init=0,lazy_journal_init=0,nodiscard /work/root.raw
qemu-img convert -O qcow2 -o cluster_size=64k /work/root.raw $guest/root.qcow2
rm /work/root.raw

progress 0.85 "making the data disk"
# The volume group is written through a loop device without the device mapper, which a host may not have; the file
# systems are made beside and put where the volumes begin.
truncate -s 4G /work/data.raw
loop=$(losetup --find --show /work/data.raw)
trap 'losetup -d $loop' EXIT
export DM_DISABLE_UDEV=1
config='devices { use_devicesfile=0 } activation { udev_sync=0 udev_rules=0 }'
pvcreate -q --config "$config" --driverloaded n "$loop"
vgcreate -q --config "$config" --driverloaded n data "$loop"
lvm_says() { "$@" --config "$config" --driverloaded n --noheadings --nosuffix --units k 2>/dev/null | tr -d ' '; }
make_ext4() { # FILE MIB FOLDER LABEL
  rm -f "$1"
  truncate -s "${2}M" "$1"
  mke2fs -q -t ext4 -d "$3" -L "$4" -m 0 -E lazy_itable_init=0,lazy_journal_init=0,nodiscard "$1"
}
for volume in $DATA_VOLUMES; do
  app=${volume%%:*}
  rest=${volume#*:}
  mib=${rest%%:*}
  cut=${rest#*:}
  if [ -n "$cut" ]; then
    mv "/work/data/$app/$cut" /work/cut
    make_ext4 /work/volume.raw "$mib" "/work/data/$app" "$app"
    free=$(dumpe2fs -h /work/volume.raw 2>/dev/null | awk '/^Free blocks:/ { print $3 }')
    # The blocks that describe the file itself come off as well; how many depends on where it lies.
    until head -c $((free * 4096)) /work/cut >"/work/data/$app/$cut" &&
      chown --reference=/work/cut "/work/data/$app/$cut" &&
      make_ext4 /work/volume.raw "$mib" "/work/data/$app" "$app" 2>/dev/null; do
      free=$((free - 1))
    done
    dumpe2fs -h /work/volume.raw 2>/dev/null | grep '^Free blocks:'
  else
    make_ext4 /work/volume.raw "$mib" "/work/data/$app" "$app"
  fi
  lvcreate -q --config "$config" --driverloaded n -an -Zn -Wn -n "$app" -L "${mib}M" data
  start=$(lvm_says pvs -o pe_start "$loop")
  extent=$(lvm_says vgs -o vg_extent_size data)
  first=$(lvm_says lvs -o seg_pe_ranges "data/$app" | sed 's/.*:\([0-9]*\)-.*/\1/')
  offset=$(awk "BEGIN { print int(($start + $first * $extent) / 1024) }")
  dd if=/work/volume.raw of=/work/data.raw bs=1M seek="$offset" conv=notrunc,sparse status=none
done
vgs --config "$config" --driverloaded n
lvs --config "$config" --driverloaded n
losetup -d "$loop"
trap - EXIT
# Compressed: it is full of text that is seldom read.
qemu-img convert -c -O qcow2 -o compression_type=zstd /work/data.raw $guest/data.qcow2

chmod 0755 $guest
chmod 0444 $guest/*
cat >/out/context/Dockerfile <<'END'
ARG BASE_MACHINE
FROM ${BASE_MACHINE}
COPY guest/ /guest/
END
ls -lh $guest
