#!/bin/sh
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Requests a second, and what each costs, through our HAProxy, and through one configured by hand to the same end, before one static service:
# same server, same image, turn by turn. The lab NAME has been prepared and converged by the scenario `haproxy`.
#
#     tests/bench/balancer.sh NAME [ROUNDS]
set -eu
name=$1 rounds=${2:-5}
root=$(cd "$(dirname "$0")/../.." && pwd)
lab() { python "$root/molecule/shared/lab" "$@"; }
on() { host=$1 && shift && lab ssh --name "$name" "$host" -- "$*"; }
at() { lab status --name "$name" --json | python -c "import json,sys;print(json.load(sys.stdin)['hosts']['app1']['$1']['v4'])"; }
public=$(at public) private=$(at private)

on app1 "mkdir -p /root/bench && cat >/root/bench/origin.cfg" <<END
global
    maxconn 4000
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend origin
    bind :9000
    http-request return status 200 content-type text/plain string "hello, world"
END
# By hand, to the same end: the true address, the name of the request, an access log in JSON, no repeated writes.
on app1 "cat >/root/bench/hand.cfg" <<END
global
    log stdout format raw local0
    maxconn 4000
defaults
    mode http
    log global
    option dontlognull
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout tunnel 1h
    retries 3
    option redispatch
    retry-on conn-failure empty-response
frontend http
    bind :8088
    log-format '{"client":"%ci","host":"%[capture.req.hdr(0)]","uri":"%HU","status":%ST,"backend":"%b","server":"%s","bytes":%B,"ms":%Ta,"id":"%ID"}'
    unique-id-format %[uuid]
    capture request header host len 64
    http-request set-header x-request-id %[unique-id]
    http-request set-header x-forwarded-for %[src]
    http-request set-header x-forwarded-proto http
    http-request disable-l7-retry unless METH_GET or METH_HEAD or METH_OPTIONS
    acl bench req.hdr(host) -i bench.example
    use_backend bench if bench
backend bench
    server one $private:9000 check
END
for each in origin hand; do
    published="--network host" user=99
    [ "$each" = origin ] || published="--publish 8088:8088"
    on app1 "docker rm -f bench-$each >/dev/null 2>&1; chmod 755 /root /root/bench;
        systemd-run --quiet --collect --unit=bench-$each docker run --rm --name bench-$each --user $user $published \
        --log-driver none -v /root/bench:/bench:ro --entrypoint haproxy haproxy:3.0 -W -db -f /bench/$each.cfg"
done
export LAB="$name" ANSIBLE_COLLECTIONS_PATH="${ANSIBLE_COLLECTIONS_PATH:-$root/.ansible/collections}"
ask() { ansible -i "$root/molecule/inventory/lab.py" app1 -m longshore.stack.haproxy_config -a "$1" >/dev/null; }
ask "{\"stack\": \"bench\", \"routes\": [{\"host\": \"bench.example\", \"backend\": \"one\"}], \"backends\": {\"one\": {\"servers\": [{\"address\": \"$private\", \"port\": 9000}]}}, \"settings\": ${SETTINGS:-{\}}}"
cpu() { # hundredths of a second that a container's processes have taken
    on app1 "docker top $1 -o pid | tail -n +2 | while read -r p; do cat /proc/\$p/stat; done" | awk '{sum += $14 + $15} END {print sum}'
}
measure() { # container, port
    before=$(cpu "$1")
    told=$(on client "wrk -t1 -c32 -d${SECONDS_EACH:-6}s --latency -H Host:bench.example http://$public:$2/")
    after=$(cpu "$1")
    echo "$told" | awk -v used=$((after - before)) '/99%/ {late = $2} /requests in/ {number = $1} /Requests\/sec/ {each = $2}
        END {printf "%s requests/s, 99 %% within %s, %d us of CPU each;  ", each, late, used * 10000 / number}'
}
for _round in $(seq "$rounds"); do
    echo "by hand: $(measure bench-hand 8088)   ours: $(measure longshore-haproxy 80)"
done
ask '{"stack": "bench", "state": "absent"}'
on app1 "docker rm -f bench-origin bench-hand >/dev/null"
