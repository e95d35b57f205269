# The toolbox: where a learner's cluster shells live when the cluster runs beside the VM.
. /recipe-lib/lib.sh

root=/work/root
progress 0.05 "installing the toolbox's packages"
# shellcheck disable=SC2086 # a list of names
debian_rootfs $root $PACKAGES

progress 0.8 "adding kubectl"
install -m 0755 /inputs/kubectl $root/usr/local/bin/kubectl
groupadd --root $root --gid 1000 admin
useradd --root $root --uid 1000 --gid 1000 --create-home --shell /bin/bash admin
install -d -m 0700 -o 1000 -g 1000 $root/home/admin/.kube
install -d -m 0755 $root/etc/footbridge
mkdir -p $root/etc/bash_completion.d
chroot $root /usr/local/bin/kubectl completion bash >$root/etc/bash_completion.d/kubectl
cat /recipe/bashrc >>$root/etc/bash.bashrc
# The learner's own would set another prompt.
rm -f $root/home/admin/.bashrc $root/home/admin/.bash_logout
# Nothing in here may make anybody root.
find $root -xdev -perm /6000 -type f -exec chmod ug-s {} +

progress 0.95 "packing"
pack_rootfs $root
