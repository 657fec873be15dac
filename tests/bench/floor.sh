#!/bin/bash
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What `longshore up` of inventories/lab.yml is measured against: the same work on three blank servers of a lab, written as a
# careful administrator would who needs it once: everything in parallel, nothing checked, nothing kept for a second run.
#
#   floor.sh DIRECTORY PUBLIC:PRIVATE PUBLIC:PRIVATE PUBLIC:PRIVATE     (DIRECTORY: .lab/<name>, with key and authority)
set -euo pipefail
directory=$(realpath "$1")
shift
servers=("${@%%:*}")
private=("${@##*:}")
first=${servers[0]}
registry=registry.longshore.internal:5000

on() { # SERVER, script on standard input
  ssh -i "$directory/id_ed25519" -o UserKnownHostsFile="$directory/known_hosts" -o IdentitiesOnly=yes -o LogLevel=ERROR \
    -o ControlMaster=auto -o ControlPath="$directory/floor-%C" -o ControlPersist=60 "root@$1" 'bash -euo pipefail -s' > /dev/null
}

each() { # script as the first argument, servers after it: on all of them at once; fails when one did
  local script=$1 server pids=() pid
  shift
  for server in "$@"; do
    on "$server" <<< "$script" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
}

authority=$(cat "$directory/ca.crt")
certificate=$(mktemp -d)
trap 'rm -rf "$certificate"; rm -f "$directory"/floor-*' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=registry.longshore.internal" \
  -addext "subjectAltName=DNS:registry.longshore.internal" -keyout "$certificate/tls.key" -out "$certificate/tls.crt" 2> /dev/null

# Every server: packages, trust, the engine. daemon.json first, so that the engine starts once.
each "
mkdir -p /etc/docker/certs.d/$registry /usr/local/share/ca-certificates
cat > /etc/docker/daemon.json << 'END'
{\"registry-mirrors\": [\"http://mirror.lab:5000\"], \"insecure-registries\": [\"mirror.lab:5000\"], \"live-restore\": false,
 \"log-driver\": \"json-file\", \"log-opts\": {\"max-size\": \"10m\", \"max-file\": \"3\"},
 \"experimental\": true, \"ip6tables\": true}
END
echo '${private[0]} registry.longshore.internal' >> /etc/hosts
echo '$authority' > /usr/local/share/ca-certificates/lab.crt
echo '$(cat "$certificate/tls.crt")' > /etc/docker/certs.d/$registry/ca.crt
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq --no-install-recommends docker.io docker-cli iptables ca-certificates openssl sudo tzdata \
  busybox-static chrony unattended-upgrades
update-ca-certificates
until docker info; do sleep 0.1; done
" "${servers[@]}"
# The first one: Git, buildx, the registry, the Swarm.
each "
export DEBIAN_FRONTEND=noninteractive
mkdir -p /etc/docker/registry
htpasswd=/etc/docker/registry/users
cat > /etc/docker/registry/config.yml << 'END'
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}
http: {addr: ':5000', tls: {certificate: /etc/docker/registry/tls.crt, key: /etc/docker/registry/tls.key}}
auth: {htpasswd: {realm: floor, path: /etc/docker/registry/users}}
END
echo '$(cat "$certificate/tls.crt")' > /etc/docker/registry/tls.crt
echo '$(cat "$certificate/tls.key")' > /etc/docker/registry/tls.key
apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold docker-registry apache2-utils git docker-buildx
htpasswd -Bbn floor floor > \$htpasswd
systemctl restart docker-registry
docker swarm init --advertise-addr ${private[0]}
docker network create --driver overlay --attachable shop_edge
docker network create --driver overlay shop_default
" "$first"

token=$(ssh -i "$directory/id_ed25519" -o UserKnownHostsFile="$directory/known_hosts" -o IdentitiesOnly=yes \
  "root@$first" docker swarm join-token -q worker)
# The others join and pull what is pulled, while the first builds and pushes.
each "docker swarm join --token $token ${private[0]}:2377; docker pull -q nginx:1; docker pull -q haproxy:3.0" "${servers[@]:1}" &
others=$!
each "
docker login -u floor -p floor $registry
git clone -q https://git.lab/shop.git /root/shop
docker buildx build -q --pull -t $registry/shop/web:1 /root/shop
docker push -q $registry/shop/web:1
docker pull -q nginx:1
docker pull -q haproxy:3.0
head -c 24 /dev/urandom | base64 | docker secret create session_key -
" "$first"
wait "$others"
each "docker login -u floor -p floor $registry; docker pull -q $registry/shop/web:1" "${servers[@]:1}"

# The services, both at once; --detach=false waits until they run.
each "
docker service create -q --detach=false --with-registry-auth --name shop_web --replicas 6 --replicas-max-per-node 4 \
  --endpoint-mode dnsrr --network shop_default --network shop_edge --secret session_key --env GREETING=Welcome \
  --limit-memory 128M --stop-grace-period 20s --update-parallelism 2 --update-monitor 5s --update-failure-action rollback \
  --health-cmd 'python -c \"import urllib.request as u; u.urlopen(\\\"http://127.0.0.1:3000/healthz\\\")\"' \
  --health-interval 5s --health-timeout 3s --health-start-period 10s --health-start-interval 1s $registry/shop/web:1 &
docker service create -q --detach=false --name shop_static --replicas 2 --endpoint-mode dnsrr --network shop_default \
  --network shop_edge nginx:1 &
wait %1
wait %2
" "$first"

# The load balancers.
each "
mkdir -p /etc/haproxy
cat > /etc/haproxy/haproxy.cfg << 'END'
global
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
resolvers docker
  nameserver dns 127.0.0.11:53
  timeout resolve 500ms
  hold obsolete 0s
frontend http
  bind :80
  use_backend static if { hdr(host) static.shop.example }
  default_backend web
backend web
  option httpchk GET /healthz
  server-template web 16 tasks.shop_web:3000 check resolvers docker init-addr none
backend static
  server-template static 16 tasks.shop_static:80 check resolvers docker init-addr none
END
cat > /etc/systemd/system/haproxy-edge.service << 'END'
[Unit]
After=docker.service
Requires=docker.service
[Service]
ExecStart=/usr/bin/docker run --rm --name edge --user root --network shop_edge -p 80:80 -v /etc/haproxy:/usr/local/etc/haproxy:ro haproxy:3.0
ExecStop=/usr/bin/docker stop edge
Restart=always
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --now haproxy-edge
" "${servers[@]:0:2}"

for server in "${servers[@]:0:2}"; do
  for _ in $(seq 300); do
    if curl -sf -m 2 -o /dev/null -H 'Host: shop.example' "http://$server/"; then continue 2; fi
    sleep 0.1
  done
  echo "floor: $server doesn't serve" >&2
  exit 1
done
