#!/bin/sh
# Written by the role longshore.stack.valkey: changes are lost.
# Has an instance start as a replica of whom most Sentinels call primary, or as that primary. Who was away for long would else
# come back as what it was, and take writes that are lost.
set -eu
name=$1
address='' authority='' sentinels=''
# shellcheck source=/dev/null
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

count=$(echo "$sentinels" | wc -w)
[ "$count" -gt 0 ] || begin ''
needed=$((count / 2 + 1))
told=''
while :; do
  # How many say so, and who it is: address and port.
  for sentinel in $sentinels; do ask "$sentinel"; done | grep . | sort | uniq -c | sort -rn | head -n 1 > "$main.told"
  read -r votes primary port < "$main.told" || votes=0
  if [ "$votes" -ge "$needed" ]; then
    if [ "$primary" = "$address" ]; then begin ''; fi
    begin "replicaof $primary $port"
  fi
  if [ "$told" = '' ]; then
    echo "waiting until $needed of the Sentinels on $sentinels say who is primary"
    told=yes
  fi
  sleep 1
done
