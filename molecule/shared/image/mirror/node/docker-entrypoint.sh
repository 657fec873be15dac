#!/bin/sh
set -e
# A script or an option instead of a program: node runs it.
case "$1" in -*) set -- node "$@" ;; esac
if [ -f "$1" ] && ! [ -x "$1" ]; then set -- node "$@"; fi
exec "$@"
