# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's container as systemd units: their text. Private to the collection. Pure.

``longshore-haproxy.service`` is the container; its output, the access log among it, is the unit's journal.
``longshore-haproxy-networks.service`` puts the container on the stacks' overlay networks after each start, and tries
again until it can: a Swarm that is not there yet must not keep HAProxy from starting.
"""

from __future__ import annotations

import hashlib

from .haproxy_render import CONFIG_DIR, RESERVED_FILES, STATE_DIR, STATE_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CONTAINER = "longshore-haproxy"
NETWORK = "longshore_lb"
UNIT = "longshore-haproxy.service"
NETWORKS_UNIT = "longshore-haproxy-networks.service"
UNIT_LABEL = "longshore.unit"
JOIN_SCRIPT = "/usr/lib/longshore/haproxy/join"
NETWORKS_FILE = f"{CONFIG_DIR}/networks"
# The user id of Docker's official image; numeric, so that any image will do.
USER_ID = 99


def run_options(maxconn: int) -> list[str]:
    """Options of ``docker run`` that hold for HAProxy itself and for checking its configuration."""
    files = 2 * maxconn + RESERVED_FILES
    return [
        "--rm",
        "--pull never",
        "--log-driver none",
        f"--user {USER_ID}:{USER_ID}",
        "--read-only",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        f"--ulimit nofile={files}:{files}",
        f"--volume {CONFIG_DIR}:{CONFIG_DIR}:ro",
        f"--volume {STATE_DIR}:{STATE_DIR}",
        "--entrypoint haproxy",
    ]


def units_of(settings: Mapping[str, Any], maxconn: int, https: bool = False) -> dict[str, str]:
    """The files of the units, path → text. HAProxy's container carries a hash of its unit as a label."""
    address = str(settings["stats_address"])
    published = f"[{address}]" if ":" in address else address
    options = [
        f"--name {CONTAINER}",
        f"--label {UNIT_LABEL}=@hash@",
        f"--network {NETWORK}",
        f"--publish {settings['http_port']}:{settings['http_port']}",
        *([f"--publish {settings['https_port']}:{settings['https_port']}"] if https else []),
        f"--publish {published}:{settings['stats_port']}:{settings['stats_port']}",
        # The soft stop: requests under way are finished.
        "--stop-signal SIGUSR1",
        *run_options(maxconn),
    ]
    command = " \\\n    ".join(
        [
            "/usr/bin/docker run",
            *options,
            settings["image"],
            f"-W -db -f {CONFIG_DIR}/haproxy.cfg -S {STATE_DIR}/master.sock,mode,600",
        ]
    )
    text = _UNIT.replace("@command@", command)
    return {
        f"/etc/systemd/system/{UNIT}": text.replace("@hash@", unit_hash(text)),
        f"/etc/systemd/system/{NETWORKS_UNIT}": _NETWORKS_UNIT,
        JOIN_SCRIPT: _JOIN,
    }


def unit_hash(text: str) -> str:
    """What tells one unit text from another (12 hex digits)."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def label_in(text: str) -> str:
    """The hash that ``units_of`` wrote into a unit."""
    return text.partition(f"{UNIT_LABEL}=")[2][:12]


_UNIT = f"""\
# Written by longshore.stack.haproxy_config: changes are lost.
[Unit]
Description=HAProxy, the load balancer of the stacks
Requires=docker.service
Wants=network-online.target
After=docker.service network-online.target
StartLimitIntervalSec=0

[Service]
ExecStartPre=-/usr/bin/docker rm --force {CONTAINER}
# The addresses of an earlier life are of no use: DNS gives the present ones within a second.
ExecStartPre=-/bin/rm --force {STATE_FILE}
ExecStart=@command@
ExecStartPost=/bin/systemctl --no-block restart {NETWORKS_UNIT}
ExecStop=/usr/bin/docker stop --time 10 {CONTAINER}
Restart=always
RestartSec=1
TimeoutStopSec=30
# The access log is whole, whatever the rate.
LogRateLimitIntervalSec=0
SyslogIdentifier=longshore-haproxy

[Install]
WantedBy=multi-user.target
"""

_NETWORKS_UNIT = f"""\
# Written by longshore.stack.haproxy_config: changes are lost.
[Unit]
Description=The stacks' networks of HAProxy
PartOf={UNIT}
After={UNIT}
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={JOIN_SCRIPT}
TimeoutStartSec=60
Restart=on-failure
RestartSec=2
"""

_JOIN = f"""\
#!/bin/sh
# Written by longshore.stack.haproxy_config: changes are lost.
# Puts HAProxy's container on the networks that are named in {NETWORKS_FILE}.
set -u
tries=0
until [ "$(docker inspect --format '{{{{.State.Running}}}}' {CONTAINER} 2>/dev/null)" = true ]; do
    tries=$((tries + 1))
    [ "$tries" -le 50 ] || exit 1
    sleep 0.1
done
# One without an endpoint is listed too: the engine wanted to join it, and failed.
listed='{{{{range $name, $its := .NetworkSettings.Networks}}}}'
listed="$listed"'{{{{if $its.EndpointID}}}}{{{{println $name}}}}{{{{end}}}}{{{{end}}}}'
joined=$(docker inspect --format "$listed" {CONTAINER}) || exit 1
failed=0
while read -r network; do
    printf '%s\\n' "$joined" | grep -qxF "$network" && continue
    docker network connect "$network" {CONTAINER} && continue
    docker network disconnect --force "$network" {CONTAINER} 2>/dev/null
    failed=1
done < {NETWORKS_FILE}
exit "$failed"
"""
