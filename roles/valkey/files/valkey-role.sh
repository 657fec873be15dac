#!/bin/sh
# Written by the role longshore.stack.valkey: changes are lost.
# Has an instance start as a replica of whom most Sentinels call primary, or as that primary. Who was away for long would else
# come back as what it was, and take writes that are lost. With a second word it notes how the instance ended.
set -eu
name=$1
refused="/run/longshore/valkey-$name.refused"
if [ "${2:-}" = ended ]; then
  # It ends so by itself when it can't read its data or its configuration.
  case "${EXIT_CODE:-}:${EXIT_STATUS:-}" in
    exited:1) mkdir -p "${refused%/*}" && touch "$refused" ;;
    *) rm -f "$refused" ;;
  esac
  exit 0
fi
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

# A disk that was full may leave a log that nobody can read. A replica's data are the primary's: it copies them anew, and what it had
# is put aside.
readable() {
  log="/var/lib/valkey/$name/appendonlydir"
  if [ ! -e "$refused" ] || [ ! -e "$log/appendonly.aof.manifest" ]; then return; fi
  if runuser -u valkey -- valkey-check-aof "$log/appendonly.aof.manifest" > /dev/null 2>&1; then return; fi
  aside="/var/lib/valkey/$name/former-$(date -u +%Y%m%d-%H%M%S)"
  echo "the log in $log can't be read: it is put aside in $aside, and the primary's data are copied"
  install -d -m 0750 -o valkey -g valkey "$aside"
  mv "$log" "$aside"
  rm -f "$refused"
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
    readable
    begin "replicaof $primary $port"
  fi
  if [ "$told" = '' ]; then
    echo "waiting until $needed of the Sentinels on $sentinels say who is primary"
    told=yes
  fi
  sleep 1
done
