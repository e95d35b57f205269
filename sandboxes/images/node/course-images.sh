#!/bin/bash
# Runs in a node image with the course's images as /course-*.tar and an empty volume at /staging: imports them into a
# copy of the node's containerd there, then takes back what is new.
set -euo pipefail

cp -a /var/lib/containerd/. /staging/
containerd --root /staging >/tmp/containerd.log 2>&1 &
tries=0
until ctr version >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ $tries -gt 300 ]; then cat /tmp/containerd.log >&2 && exit 1; fi
  sleep 0.1
done
for tar in /course-*.tar; do
  [ -e "$tar" ] || continue
  how=()
  # Layers on layers may hold whiteouts, which can't be copied into a container's own file system.
  if [ "$(tar -xOf "$tar" manifest.json | jq '[.[].Layers | length] | max')" -gt 1 ]; then how=(--no-unpack); fi
  ctr --namespace k8s.io images import --label io.cri-containerd.pinned=pinned "${how[@]}" "$tar"
done
kill %1
wait || true

cp -a --update=none /staging/. /var/lib/containerd/
(cd /staging && find . -name '*.db' -exec cp -a '{}' '/var/lib/containerd/{}' ';')
rm -rf /course-* /tmp/containerd.log
