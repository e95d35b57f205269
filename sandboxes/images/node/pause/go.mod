module footbridge.invalid/pause

go 1.24

toolchain go1.26.8

tool footbridge.invalid/pause
