#!/bin/sh
. /recipe-lib/lib.sh
. /inputs/go-build.sh
# Snapshotters that nothing in a node uses, left out as kind does.
GO_TAGS="no_aufs no_btrfs no_devmapper no_zfs"
version=$(awk '$1 == "github.com/containerd/containerd/v2" { print $2 }' /recipe/go.mod)
go_binaries "-X github.com/containerd/containerd/v2/version.Version=$version"
