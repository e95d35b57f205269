#!/bin/sh
. /recipe-lib/lib.sh
. /inputs/go-build.sh
# kubeadm takes the version of the components it sets up from its own.
version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' /recipe/go.mod)
[ -n "$version" ] || { echo "go.mod names no version of k8s.io/kubernetes" >&2 && exit 1; }
stamp=
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  stamp="$stamp -X $package.gitVersion=$version -X $package.gitTreeState=clean"
  stamp="$stamp -X $package.gitMajor=$(echo "$version" | cut -d. -f1 | tr -d v) -X $package.gitMinor=$(echo "$version" | cut -d. -f2)"
done
go_binaries "$stamp"
