#!/bin/sh
. /recipe-lib/lib.sh
. /inputs/go-build.sh
go_binaries
module=$(go list -m -f '{{.Dir}}' sigs.k8s.io/kind)
tar --owner=0 --group=0 --mode='u+w' --sort=name -C "$module/images/base/files" -cf /out/base.tar .
# The manifest is a Go string put together with the names of two images.
source=$module/pkg/build/nodeimage/const_storage.go
constant() { sed -n "s/^const $1 = \"\(.*\)\"/\1/p" "$source"; }
sed -n '/^const defaultStorageManifest = `$/,/^`$/p' "$source" | sed -e '1d' -e '$d' \
  -e "s|\` + storageProvisionerImage + \`|$(constant storageProvisionerImage)|" \
  -e "s|\` + storageHelperImage + \`|$(constant storageHelperImage)|" >/out/default-storage.yaml
sed -n 's/^const Image = "\(.*\)"/\1/p' "$module/pkg/apis/config/defaults/image.go" >/out/published-image
grep -q '@sha256:' /out/published-image
grep -q 'kind: StorageClass' /out/default-storage.yaml
