#!/bin/sh
# Written by the role longshore.stack.valkey: changes are lost.
# Whether valkey-server takes a configuration: told to listen nowhere, it reads all of it and ends.
said=$(runuser -u valkey -- valkey-server "$1" --port 0 --tls-port 0 --unixsocket '' --logfile '' --daemonize no 2>&1)
case $said in
  *'not listen anywhere'*) exit 0 ;;
esac
printf '%s\n' "$said" | tail -n 5
exit 1
