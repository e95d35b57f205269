# go_binaries [LDFLAGS]: builds every command that the recipe's go.mod names as a `tool` into /out, static and trimmed.
# What a module contains is settled by the recipe's go.sum; the compiler is the toolchain its go.mod names.
# shellcheck shell=sh
go_binaries() {
  export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=auto GOWORK=off
  cp -r /recipe /work/module
  cd /work/module
  progress 0 "fetching Go modules"
  commands=$(go list -f '{{.ImportPath}}' tool)
  # shellcheck disable=SC2086 # import paths hold no blanks
  total=$(go list -deps -tags "${GO_TAGS:-}" $commands | wc -l)
  # `go build -v` names each package as it is compiled, and none that the cache has already.
  # shellcheck disable=SC2086
  { nice go build -v -trimpath -tags "${GO_TAGS:-}" -ldflags "-s -w ${1:-}" -o /out/ $commands 2>&1 || echo "@@failed"; } |
    {
      compiled=0
      while read -r line; do
        case $line in
          @@failed) exit 1 ;;
          *[!a-zA-Z0-9./_~-]*) echo "$line" ;;
          *) compiled=$((compiled + 1)) && progress "$(awk "BEGIN { print 0.05 + 0.9 * $compiled / ($total + 1) }")" "compiling $line" ;;
        esac
      done
    }
  ls -l /out
}
