#!/bin/sh
# Written by the role longshore.stack.valkey: changes are lost.
# Has an instance start as a replica of whom most Sentinels call primary, or as that primary. Who was away for long would else
# come back as what it was, and take writes that are lost.
set -eu
name=$1
address='' authority='' sentinels=''
. "/etc/valkey/$name.place"
main="/run/valkey-$name/valkey.conf"

begin() {
  printf 'include /etc/valkey/%s.conf\n%s\n' "$name" "$1" > "$main.new"
  chown valkey:valkey "$main.new"
  mv "$main.new" "$main"
  exit 0
}

ask() {
  REDISCLI_AUTH=none timeout 2 valkey-cli --tls --cacert "$authority" -h "$1" -p 26379 --user router \
    sentinel get-master-addr-by-name "$name" 2> /dev/null | tr '\n' ' '
  echo
}

set -- $sentinels
[ $# -gt 0 ] || begin ''
needed=$(($# / 2 + 1))
told=''
while :; do
  found=$(for sentinel in $sentinels; do ask "$sentinel"; done | sort | uniq -c | sort -rn | grep -v '^ *[0-9]* *$' | head -n 1)
  set -- $found
  if [ "${1:-0}" -ge "$needed" ]; then
    if [ "$2" = "$address" ]; then begin ''; fi
    begin "replicaof $2 $3"
  fi
  if [ "$told" = '' ]; then
    echo "waiting until $needed of the Sentinels on $sentinels say who is primary"
    told=yes
  fi
  sleep 1
done
