#!/bin/sh
set -e
# Options or a configuration file alone mean the server, which never runs as root and listens to everyone by default.
case "$1" in -* | *.conf) set -- redis-server "$@" ;; esac
if [ "$1" = redis-server ]; then
  if [ "$#" -eq 1 ]; then set -- redis-server --protected-mode no; fi
  if [ "$(id -u)" = 0 ]; then
    find . ! -user redis -exec chown redis '{}' +
    exec setpriv --reuid=redis --regid=redis --init-groups "$@"
  fi
fi
exec "$@"
