#!/bin/bash
set -euo pipefail
# A new data directory gets its user, password and database from POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB
# (each also as NAME_FILE), and the scripts of /docker-entrypoint-initdb.d.

value() {
  local name=$1 file="$1_FILE"
  if [ -n "${!file:-}" ]; then cat "${!file}"; else printf '%s' "${!name:-$2}"; fi
}

case "${1:-}" in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" != postgres ]; then exec "$@"; fi
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" && chown postgres "$PGDATA" && chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  user=$(value POSTGRES_USER postgres) password=$(value POSTGRES_PASSWORD '')
  database=$(value POSTGRES_DB "$user") method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [ -z "$password" ] && [ "$method" != trust ]; then
    echo "The database is new and has no password: set POSTGRES_PASSWORD." >&2
    exit 1
  fi
  initdb -D "$PGDATA" -U "$user" --auth-local=trust --auth-host="$method" --pwfile=<(printf '%s\n' "$password")
  printf 'host all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  if [ "$database" != postgres ]; then createdb -U "$user" "$database"; fi
  for script in /docker-entrypoint-initdb.d/*; do
    case "$script" in
      *.sh) bash "$script" ;;
      *.sql) psql -v ON_ERROR_STOP=1 -U "$user" -d "$database" -f "$script" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
