#!/bin/sh
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Requests a second, and what each costs, through our HAProxy, and through one configured by hand to the same end, before one static service:
# same server, same image, turn by turn, each with its access log in the journal. The lab NAME has been prepared and converged by the scenario
# `haproxy`, whose own stack goes.
#
#     tests/bench/balancer.sh NAME [ROUNDS]
set -eu
name=$1 rounds=${2:-5}
root=$(cd "$(dirname "$0")/../.." && pwd)
lab() { python "$root/molecule/shared/lab" "$@"; }
on() { host=$1 && shift && lab ssh --name "$name" "$host" -- "$*"; }
at() { lab status --name "$name" --json | python -c "import json,sys;print(json.load(sys.stdin)['hosts']['app1']['$1']['v4'])"; }
on client "command -v wrk h2load >/dev/null || (apt-get update && apt-get install -y --no-install-recommends wrk nghttp2-client) >/dev/null"
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
# By hand, to the same end: what servers are told of a request is true, and so is the access log in JSON; no repeated writes; 404 for unknown hosts.
on app1 "cat >/root/bench/hand.cfg" <<END
global
    log stdout format short local0
    maxconn 9000
defaults
    mode http
    log global
    option dontlognull
    option idle-close-on-response
    option http-restrict-req-hdr-names delete
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 30s
    timeout tunnel 1h
    retries 5
    option redispatch
    retry-on conn-failure empty-response junk-response
frontend http
    bind :8088
    log-format '{"time":"%[accept_date(ms),ms_utime(%Y-%m-%dT%H:%M:%SZ)]","client":"%ci","client_port":%cp,"frontend":"%ft","backend":"%b","server":"%s","method":"%HM","host":"%[capture.req.hdr(0),json]","uri":"%HU","version":"%HV","status":%ST,"bytes":%B,"times":[%TR,%Tw,%Tc,%Tr,%Ta],"termination":"%tsc","retries":%rc,"request_id":"%ID","agent":"%[capture.req.hdr(1),json]"}'
    unique-id-format %[uuid]
    http-request capture req.hdr(host) len 64
    http-request capture req.hdr(user-agent) len 256
    http-request deny deny_status 400 if { path,url_dec -m sub /../ }
    http-request del-header x-forwarded- -m beg
    http-request del-header forwarded
    http-request del-header x-real-ip
    http-request del-header x-client-ip
    http-request del-header true-client-ip
    http-request del-header x-request-id
    http-request del-header x-original-url
    http-request del-header proxy
    http-request set-header x-request-id %[unique-id]
    http-request set-header x-forwarded-for %[src]
    http-request set-header x-forwarded-proto http
    http-request set-header x-forwarded-host %[req.hdr(host)]
    http-request set-header x-forwarded-port 80
    http-after-response set-header x-request-id %[unique-id]
    http-request disable-l7-retry unless METH_GET or METH_HEAD or METH_OPTIONS
    use_backend %[req.hdr(host),host_only,lower,map(/bench/hosts.map,unknown)]
backend unknown
    http-request return status 404
backend bench
    option forwarded proto host for
    server one $private:9000 check observe layer4 error-limit 2 on-error mark-down
END
on app1 'echo bench.example bench >/root/bench/hosts.map'
for each in origin hand; do
    published="--network host" user=99
    [ "$each" = origin ] || published="--publish 8088:8088"
    on app1 "docker rm -f bench-$each >/dev/null 2>&1; chmod 755 /root /root/bench;
        systemd-run --quiet --collect --unit=bench-$each --property=LogRateLimitIntervalSec=0 docker run --rm --name bench-$each --user $user $published \
        --log-driver none -v /root/bench:/bench:ro --entrypoint haproxy haproxy:3.0 -W -db -f /bench/$each.cfg"
done
export LAB="$name" ANSIBLE_COLLECTIONS_PATH="${ANSIBLE_COLLECTIONS_PATH:-$root/.ansible/collections}"
ask() { ansible -i "$root/molecule/inventory/lab.py" app1 -m longshore.stack.haproxy_config -a "$1" >/dev/null; }
ask '{"stack": "molecule", "state": "absent"}'
ask "{\"stack\": \"bench\", \"routes\": [{\"host\": \"bench.example\", \"backend\": \"one\"}], \"backends\": {\"one\": {\"servers\": [{\"address\": \"$private\", \"port\": 9000}]}}, \"settings\": ${SETTINGS:-{\}}}"
cpu() { # hundredths of a second that a container's processes have taken
    on app1 "docker top $1 -o pid | tail -n +2 | while read -r p; do cat /proc/\$p/stat; done" | awk '{sum += $14 + $15} END {print sum}'
}
# What a request costs shows where both work as hard as they can, how long it takes where they have room.
measure() { # container, port
    before=$(cpu "$1")
    told=$(on client "wrk -t1 -c32 -d${SECONDS_EACH:-6}s -H Host:bench.example http://$public:$2/")
    after=$(cpu "$1")
    echo "$told" | awk -v used=$((after - before)) '/requests in/ {number = $1} /Requests\/sec/ {each = $2}
        END {printf "%s requests/s, %d us of CPU each", each, used * 10000 / number}'
    on client "rm -f /tmp/took; h2load --h1 -c32 -D${SECONDS_EACH:-6} --rps 100 --log-file=/tmp/took --connect-to=$public:$2 http://bench.example/ >/dev/null;
        cut -f3 /tmp/took | sort -n" | awk '{took[NR] = $1} END {printf "; of %d at 3200/s 99 %% within %.1f ms;  ", NR, took[int(NR * 0.99)] / 1000}'
}
for _round in $(seq "$rounds"); do
    echo "by hand: $(measure bench-hand 8088)   ours: $(measure longshore-haproxy 80)"
done
ask '{"stack": "bench", "state": "absent"}'
on app1 "docker rm -f bench-origin bench-hand >/dev/null"
