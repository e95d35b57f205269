#!/bin/sh
# An OCI runtime in front of runc, for a host whose bounding set lacks CAP_SYS_RESOURCE.
#
# Docker before 24 asks for every capability there is when a container is privileged, and runc then fails with
# "unable to apply caps: operation not permitted". This takes the capability that can't be had out of the bundle's
# config.json and out of the process file of `exec`, and lifts a negative oomScoreAdj, which needs the same capability.
set -eu

# Only inside the five capability lists, at any place in them; an argument or variable that spells the same stays.
mend() {
  [ -f "$1" ] || return 0
  lists='"(bounding|effective|inheritable|permitted|ambient)":\['
  sed -E \
    -e "s/(${lists}[^]]*)\"CAP_SYS_RESOURCE\",?/\\1/g" \
    -e "s/(${lists}[^]]*),\\]/\\1]/g" \
    -e 's/"oomScoreAdj":-[0-9]+/"oomScoreAdj":0/g' \
    "$1" >"$1.footbridge"
  # Written in place: runc's caller may hold the file by its inode, and its mode must stay.
  cat "$1.footbridge" >"$1"
  rm -f "$1.footbridge"
}

bundle=.
process=
command=
previous=
for word in "$@"; do
  case "$previous" in
    --bundle | -b) bundle=$word ;;
    --process | -p) process=$word ;;
  esac
  case "$word" in
    --bundle=*) bundle=${word#*=} ;;
    --process=*) process=${word#*=} ;;
    create | run | exec) [ -n "$command" ] || command=$word ;;
  esac
  previous=$word
done

case "$command" in
  create | run) mend "$bundle/config.json" ;;
  exec) [ -z "$process" ] || mend "$process" ;;
esac
exec runc "$@"
