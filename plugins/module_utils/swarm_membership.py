# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One engine's membership of a Swarm: report, init, join, leave.

Private to the collection.
"""

from __future__ import annotations

import os
import time

from . import known_nodes
from .docker_api import Docker, DockerError
from .swarm_plan import SwarmError, overlaps, routes, settings_of, summary, with_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .run import Run

# A joining node exchanges certificates with a manager: well under a second when it is reachable. Seconds.
JOIN_TIMEOUT = 90.0
# An engine that has just started is "pending" until its managers have answered. Seconds.
PENDING_PATIENCE = 60.0
# Removing a container that has ended takes the engine a fraction of a second. Seconds.
ORPHANS_TIMEOUT = 30.0
GWBRIDGE = "docker_gwbridge"
# The engine's own mark on each container of a Swarm's task.
TASK_LABEL = "com.docker.swarm.task.id"
# Docker's own options for this bridge: "Customize the docker_gwbridge" of its overlay documentation.
GWBRIDGE_OPTIONS = {
    "com.docker.network.bridge.name": GWBRIDGE,
    "com.docker.network.bridge.enable_icc": "false",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
}
OUTSIDE: dict[str, Any] = {
    "engine": False,
    "state": "inactive",
    "active": False,
    "node": "",
    "manager": False,
    "cluster": "",
    "nodes": [],
    "settings": {},
    "problem": "",
}


def report(docker: Docker | None, *, as_it_is: bool = False) -> dict[str, Any]:
    """How an engine stands to a Swarm, in one or, on a manager, three calls.

    ``engine`` (it answers), ``state`` (the engine's own word: ``inactive``, ``pending``, ``active``, ``error`` or
    ``locked``), ``active`` (it is in a Swarm, sound or not), ``node`` (its id there), ``manager``; on managers with a
    majority also ``cluster`` (id), ``nodes`` (see ``swarm_plan.summary``) and ``settings``. ``problem`` says why a
    manager cannot tell, or what is wrong with the node. An engine that has just started is given time to find its
    managers, and the leader to hear of all nodes, unless all is wanted ``as_it_is``.
    """
    if docker is None:
        return dict(OUTSIDE)
    swarm = docker.get("/info")["Swarm"]
    until = time.monotonic() + PENDING_PATIENCE
    while swarm["LocalNodeState"] == "pending" and not as_it_is and time.monotonic() < until:
        time.sleep(0.5)
        swarm = docker.get("/info")["Swarm"]
    state = swarm["LocalNodeState"]
    found = {**OUTSIDE, "engine": True, "state": state, "active": state != "inactive"}
    if state not in ("inactive", "active"):
        reason = swarm.get("Error") or "no reason is given"
        found["problem"] = (
            f"this server's part in the Swarm is {state}: {reason} If the Swarm has forgotten the server, take it out "
            "by `longshore server remove`, then it can join anew."
        )
    if state != "active":
        return found
    found.update(node=swarm["NodeID"], manager=bool(swarm.get("ControlAvailable")))
    if not found["manager"]:
        return found
    try:
        cluster = docker.get("/swarm")
        found.update(
            cluster=cluster["ID"],
            settings=settings_of(cluster),
            nodes=[summary(node) for node in (docker.get("/nodes") if as_it_is else known_nodes.nodes(docker))],
        )
    except DockerError as error:
        found["problem"] = error.message
    return found


def held(paths: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """For each label its directory's ``path`` and whether it is ``held``: it has something in it."""
    found = {}
    for label, path in paths.items():
        try:
            is_held = bool(os.listdir(path))
        except FileNotFoundError:
            is_held = False
        found[label] = {"path": path, "held": is_held}
    return found


def init(docker: Docker, wanted: Mapping[str, Any]) -> None:
    """Make a Swarm with this engine as its first manager. ``wanted``: the module's parameters."""
    with open("/proc/net/route", encoding="ascii") as file:
        used = routes(file.read())
    for pool, network in overlaps(wanted["address_pools"], used):
        raise SwarmError(
            f"the address pool {pool} of the Swarm overlaps {network}, which this server already reaches: "
            "choose other pools, since they can't be changed later"
        )
    make_gwbridge(docker, wanted["gwbridge_ipv6_subnet"])
    docker.post(
        "/swarm/init",
        {
            "ListenAddr": "0.0.0.0:2377",
            "AdvertiseAddr": wanted["advertise_address"],
            "DataPathAddr": wanted["advertise_address"],
            "DefaultAddrPool": wanted["address_pools"],
            "SubnetSize": wanted["subnet_size"],
            "Spec": with_settings({"Name": "default"}, wanted),
        },
    )


def join(docker: Docker, wanted: Mapping[str, Any], run: Run) -> None:
    """Join a Swarm and wait until this engine is part of it."""
    make_gwbridge(docker, wanted["gwbridge_ipv6_subnet"])
    try:
        docker.post(
            "/swarm/join",
            {
                "ListenAddr": "0.0.0.0:2377",
                "AdvertiseAddr": wanted["advertise_address"],
                "DataPathAddr": wanted["advertise_address"],
                "RemoteAddrs": wanted["managers"],
                "JoinToken": wanted["token"],
            },
        )
    except DockerError as error:
        # The engine answers after 20 s although it goes on trying; the state tells what became of it.
        if "timeout" not in error.message.lower():
            raise
    wait_for_state(docker, "active", run)


def leave(docker: Docker, run: Run) -> None:
    """Leave the Swarm. Containers of services end; volumes stay."""
    docker.post("/swarm/leave", force=True)
    wait_for_state(docker, "inactive", run)


def orphans(docker: Docker) -> list[str]:
    """Containers of tasks, on an engine outside of any Swarm: one that leaves removes those that run, and no others."""
    listed = docker.get("/containers/json", all=True, filters={"label": [TASK_LABEL]})
    return [container["Id"] for container in listed]


def remove_orphans(docker: Docker, run: Run) -> None:
    """Remove the ``orphans``, some of which the engine may still be removing itself; their volumes stay."""
    left = ORPHANS_TIMEOUT
    while found := orphans(docker):
        if left <= 0:
            raise SwarmError(f"after {ORPHANS_TIMEOUT:.0f} s these containers can't be removed: {', '.join(found)}")
        for container in found:
            try:
                docker.delete(f"/containers/{container}", force=True)
            except DockerError as error:
                # 404: it is gone meanwhile; 409: its removal is under way.
                if error.status not in (404, 409):
                    raise
        run.wait(0.25)
        left -= 0.25


def wait_for_state(docker: Docker, wanted: str, run: Run) -> None:
    """Wait until the engine's own state in the Swarm is ``active`` or ``inactive``."""
    left = JOIN_TIMEOUT
    while True:
        swarm = docker.get("/info")["Swarm"]
        if swarm["LocalNodeState"] == wanted:
            return
        if left <= 0:
            reason = swarm.get("Error") or "no reason is given; are 2377/tcp, 7946/tcp+udp and 4789/udp open?"
            raise SwarmError(f"after {JOIN_TIMEOUT:.0f} s this node is still {swarm['LocalNodeState']}: {reason}")
        run.wait(0.25)
        left -= 0.25


def make_gwbridge(docker: Docker, ipv6_subnet: str) -> None:
    """Make the bridge by which services reach the world, with IPv6, before the Swarm makes it without.

    A bridge that is in use is left as it is. An empty subnet leaves everything to the engine.
    """
    if not ipv6_subnet:
        return
    try:
        network = docker.get(f"/networks/{GWBRIDGE}")
    except DockerError as error:
        if error.status != 404:
            raise
    else:
        if network.get("EnableIPv6") or network.get("Containers"):
            return
        docker.delete(f"/networks/{GWBRIDGE}")
    docker.post(
        "/networks/create",
        {
            "Name": GWBRIDGE,
            "Driver": "bridge",
            "EnableIPv6": True,
            "IPAM": {"Config": [{"Subnet": ipv6_subnet}]},
            "Options": GWBRIDGE_OPTIONS,
        },
    )
