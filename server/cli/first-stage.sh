#!/bin/sh
# The first stage: needs nothing but npm. Brings the packages (and with them a current Node), then hands over to
# TypeScript. Usage: first-stage.sh ENTRY.ts [ARGUMENT…]
set -eu
cd "$(dirname "$0")/../.."

# What reads the last line of `npm test` finds one also where the tests are never reached.
[ "${1-}" != test/run.ts ] || trap '[ $? = 0 ] || echo "0 passed, 1 failed, 0 skipped"' EXIT

stop() {
  for line in "$@"; do echo "footbridge: $line" >&2; done
  exit 1
}

# Before npm, which would only say that a package is not for this platform.
system=$(uname -s) processor=$(uname -m)
[ "$system-$processor" = Linux-x86_64 ] || stop \
  "the lab server runs on Linux on x86_64, not on $system on $processor." \
  "Use a Debian 12 or 13 host or VM on x86_64: \`apt-get install npm git\` there, then \`npm start\` in a checkout." \
  "Another Linux distribution on x86_64 (glibc 2.28 or newer) will do where you install Docker Engine 24 or newer" \
  "yourself; where no container registry can be reached it also needs mmdebstrap and debian-archive-keyring."

# Node, as npm brings it, needs glibc; without it nothing would say so but "not found".
case $(ldd --version 2>&1) in *musl*) stop \
  "the lab server needs glibc 2.28 or newer, and this Linux (Alpine, for one) has musl, which is not supported." \
  "Use a Debian 12 or 13 host or VM on x86_64: \`apt-get install npm git\` there, then \`npm start\` in a checkout." ;;
esac

npm_version=$(npm --version 2>/dev/null) || stop \
  "npm is missing; install it (Debian: \`apt-get install npm\`) and try again."
[ "${npm_version%%.*}" -ge 9 ] || stop \
  "npm 9 or newer is needed, this is $npm_version; Debian 12 and 13 have it as the package npm."

# The note is written last, so an interrupted install never looks finished.
wanted=$(cksum <package-lock.json)
is_new=
if [ "$(cat node_modules/.footbridge-lock 2>/dev/null || true)" != "$wanted" ] || [ ! -f node_modules/.package-lock.json ]; then
  is_new=yes
  echo "footbridge: bringing npm packages into node_modules (about 250 MB, a minute or two)"
  # The page is built here, by packages that NODE_ENV=production would leave out. The packages' own scripts have to wait
  # for a Node that starts. Of Debian's Node npm warns for each package that it is too old: it does not run them.
  npm ci --ignore-scripts --include=dev --no-fund --no-audit --loglevel=error
fi

PATH="$PWD/node_modules/.bin:$PATH"
export PATH

# The Node that npm brings is linked against libatomic, which a bare Debian lacks.
if ! node --version >/dev/null 2>&1; then
  echo "footbridge: installing libatomic1, which Node.js needs"
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  if ! { $as_root apt-get -q update && $as_root apt-get -q install -y --no-install-recommends libatomic1; }; then
    stop "Node.js does not start; install the package libatomic1 (Fedora: libatomic) and try again."
  fi
  node --version >/dev/null || stop "Node.js does not start even with libatomic1; the line above says why."
  # So that `footbridge uninstall` takes it away again.
  node server/cli/journal-package.ts libatomic1
fi

if [ -n "$is_new" ]; then
  # What they compile makes SSH faster and may be lacking, as on a host without a compiler.
  npm rebuild --loglevel=silent || echo "footbridge: scripts of npm packages failed; \`npm rebuild\` says why" >&2
  printf '%s\n' "$wanted" >node_modules/.footbridge-lock
fi
exec node "$@"
