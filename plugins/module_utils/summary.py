# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's state in a few plain values, for people and for other tools.

Private to the collection.
"""

from __future__ import annotations

from ansible_collections.longshore.stack.plugins.module_utils import lease, overrides, placement
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import RELEASE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State


def services(docker: Docker, state: State) -> dict[str, dict[str, Any]]:
    """By service: image, release, ``wanted`` and ``running`` tasks, ``per_server`` (running tasks by server),
    ``checked`` (whether a health check stands behind "running"), ``scaled`` (the number set by command or None),
    ``stopped``, ``update`` (Swarm's state of the last update) and ``error`` (of its newest failed task)."""
    listed = _tasks(docker, state)
    servers = placement.server_names(state.stack, state.nodes)
    found = {}
    for name, service in sorted(state.services.items()):
        spec = service["Spec"]
        labels = spec.get("Labels") or {}
        container = spec["TaskTemplate"]["ContainerSpec"]
        mine = [task for task in listed if task["ServiceID"] == service["ID"]]
        running = [task for task in mine if task["Status"]["State"] == "running" and task["DesiredState"] == "running"]
        per_server: dict[str, int] = {}
        for task in running:
            where = servers.get(task.get("NodeID", ""), "?")
            per_server[where] = per_server.get(where, 0) + 1
        bad = [task for task in mine if task["Status"].get("Err") and task["Status"]["State"] != "running"]
        last = max(bad, key=lambda task: str(task["Status"].get("Timestamp")), default=None)
        wanted = placement.wanted_tasks(spec, state.nodes)
        release = labels.get(RELEASE, "")
        test = (container.get("Healthcheck") or {}).get("Test") or []
        found[name] = {
            "image": container["Image"],
            "release": int(release) if release.isdigit() else None,
            "mode": "replicated" if "Replicated" in spec["Mode"] else "global",
            "wanted": wanted,
            "running": len(running),
            "per_server": dict(sorted(per_server.items())),
            "checked": bool(test) and test != ["NONE"],
            "scaled": int(labels[overrides.SCALE]) if labels.get(overrides.SCALE) else None,
            "stopped": bool(labels.get(overrides.STOPPED)),
            "update": (service.get("UpdateStatus") or {}).get("State", ""),
            "error": last["Status"]["Err"] if last and len(running) < wanted else "",
        }
    return found


def tasks(docker: Docker, state: State) -> list[dict[str, Any]]:
    """Every task: service, slot, id, container, server, ``state`` and ``wanted`` (Swarm's words), since, image,
    error."""
    servers = placement.server_names(state.stack, state.nodes)
    names = {service["ID"]: name for name, service in state.services.items()}
    found = []
    for task in _tasks(docker, state):
        status = task["Status"]
        found.append(
            {
                "service": names.get(task["ServiceID"], ""),
                "slot": task.get("Slot") or 0,
                "id": task["ID"],
                "container": (status.get("ContainerStatus") or {}).get("ContainerID", ""),
                "server": servers.get(task.get("NodeID", ""), ""),
                "state": status["State"],
                "wanted": task["DesiredState"],
                "since": status.get("Timestamp", ""),
                "image": task["Spec"]["ContainerSpec"]["Image"],
                "error": status.get("Err", ""),
            }
        )
    return sorted(found, key=lambda task: (task["service"], task["slot"], task["since"]))


def nodes(state: State) -> list[dict[str, Any]]:
    """Every node: server (its name in the stack file, else the host name), hostname, id, role, leader, availability,
    state, address, the stack's tags."""
    start = f"longshore.{state.stack}.tag."
    servers = placement.server_names(state.stack, state.nodes)
    found = []
    for node in state.nodes:
        manager = node.get("ManagerStatus") or {}
        found.append(
            {
                "server": servers[node["ID"]],
                "hostname": node["Description"]["Hostname"],
                "id": node["ID"],
                "role": node["Spec"]["Role"],
                "leader": bool(manager.get("Leader")),
                "availability": node["Spec"]["Availability"],
                "state": node["Status"]["State"],
                "address": node["Status"].get("Addr", ""),
                "tags": sorted(
                    label[len(start) :] for label in node["Spec"].get("Labels") or {} if label.startswith(start)
                ),
            }
        )
    return sorted(found, key=lambda node: str(node["server"]))


def releases(state: State) -> list[dict[str, Any]]:
    """Every kept release, newest first: number, time, run, owner, reason, kind, of, ``current``, and by service its
    image and commit. Current is the newest: a rollback makes a new release of an old one."""
    return [
        {
            **{key: record.get(key) for key in ("number", "time", "run", "owner", "reason", "kind", "of")},
            "current": number == state.newest,
            "services": {
                name: {"image": kept["spec"]["TaskTemplate"]["ContainerSpec"]["Image"], "commit": kept.get("commit")}
                for name, kept in sorted(record["services"].items())
            },
        }
        for number, record in sorted(state.records.items(), reverse=True)
    ]


def lock(state: State) -> Mapping[str, Any] | None:
    """Who holds the stack's lock; None when nobody does."""
    return lease.holder(state.lock)


def _tasks(docker: Docker, state: State) -> list[dict[str, Any]]:
    known = sorted(service["ID"] for service in state.services.values())
    return list(docker.get("/tasks", filters={"service": known})) if known else []
