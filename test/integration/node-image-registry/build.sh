#!/bin/sh
. /recipe-lib/lib.sh
# busybox is what the probes in pods are made of.
debian_rootfs /work/rootfs docker-registry busybox-static
cat >/work/rootfs/etc/registry.yml <<'EOF'
version: 0.1
storage:
  filesystem:
    rootdirectory: /var/lib/docker-registry
http:
  addr: :5000
EOF
pack_rootfs /work/rootfs
