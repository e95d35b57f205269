#!/bin/sh
. /recipe-lib/lib.sh
. /inputs/go-build.sh
go_binaries
