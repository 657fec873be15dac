#!/bin/sh
set -e
# Options or a configuration file alone mean the server, which never runs as root and listens to everyone by default.
case "$1" in -* | *.conf) set -- valkey-server "$@" ;; esac
if [ "$1" = valkey-server ]; then
  if [ "$#" -eq 1 ]; then set -- valkey-server --protected-mode no; fi
  if [ "$(id -u)" = 0 ]; then
    find . ! -user valkey -exec chown valkey '{}' +
    exec setpriv --reuid=valkey --regid=valkey --init-groups "$@"
  fi
fi
exec "$@"
