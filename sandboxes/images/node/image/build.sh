#!/bin/sh
# Puts the node image together: Debian with what kind's base image has, Kubernetes, and the component images unpacked
# in the node's containerd, so that the first pods wait for nothing.
. /recipe-lib/lib.sh
. /recipe/base.sh
. /recipe/component-images.sh
root=/work/rootfs

progress 0.02 "installing Debian packages"
# kind's list, without storage clients (nfs, iscsi) and rootless mode; ipset and busybox are for the network's image.
debian_rootfs "$root" systemd runc conntrack iptables nftables iproute2 ethtool util-linux mount kmod libseccomp2 \
  e2fsprogs bash ca-certificates curl jq procps pigz ipset busybox-static
without_manuals "$root"

progress 0.5 "putting kind's files and Kubernetes in place"
lay_out_base "$root"

progress 0.6 "importing component images"
import_component_images "$root"

progress 0.9 "packing the node"
mkdir -p /out/context
cp /recipe/Dockerfile /out/context/
# No xattrs: the only ones Debian's packages set are file capabilities that nothing in a node needs.
tar --numeric-owner -C "$root" -cf /out/context/rootfs.tar .
