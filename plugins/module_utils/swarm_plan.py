# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between a Swarm's nodes and what is wanted of them. Pure; also used on the controller.

Private to the collection.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

# On a node that is drained only while its engine restarts. Whoever finds it afterwards puts the node back.
RESTARTING = "longshore.restarting"
NANOSECONDS = 1_000_000_000


class SwarmError(Exception):
    """The wanted state of the Swarm cannot be reached; the message says what, why and, where known, the cure."""


def differences(
    nodes: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    wanted: Sequence[Mapping[str, Any]],
    prefix: str,
    wanted_settings: Mapping[str, Any],
    *,
    managers: int = 0,
) -> list[dict[str, Any]]:
    """What is to be done, in order.

    ``nodes`` as ``summary`` gives them; ``wanted`` has per server ``id`` (empty: not in a Swarm yet), ``name``,
    ``labels`` (all labels that begin with ``prefix``; others are somebody else's) and ``role``; ``managers`` is how
    many servers should be managers, those that did not answer among them. A node that is not wanted is left alone:
    leaving out a line removes nothing. A manager that is wanted as a worker is demoted last, when all that should be
    managers are at hand and nobody else wants it as one. ``data`` of a server has for each label that pins services to
    data its ``path`` there and whether it is ``held`` there: such a label leaves no node on which data may be.

    Each answer has ``what`` (a few words), ``before`` and ``after`` (texts), and one of ``settings`` (dict),
    ``node`` with ``labels`` (the node's whole new labels) or ``availability``, or ``node`` with ``role``.
    """
    found: list[dict[str, Any]] = []
    if any(settings.get(name) != value for name, value in wanted_settings.items()):
        found.append(
            {
                "what": "settings of the Swarm",
                "settings": dict(wanted_settings),
                "before": _pairs({name: settings.get(name) for name in wanted_settings}),
                "after": _pairs(wanted_settings),
            }
        )
    by_id = {node["id"]: node for node in nodes}
    names = {server["id"]: server["name"] for server in wanted if server["id"]}
    for server in wanted:
        if server["id"] and server["id"] not in by_id:
            raise SwarmError(f"{server['name']} belongs to another Swarm: its node {server['id']} is not known here")
        found += _labels(by_id.get(server["id"], {}), server, prefix)
    found += _stale(nodes, names, wanted, prefix)
    _refuse_moves(nodes, wanted, prefix)
    found += [_put_back(node) for node in nodes if RESTARTING in node["labels"]]
    _refuse_strangers(by_id, wanted)
    found += _promotions(by_id, wanted)
    found += _demotions(by_id, wanted, prefix, managers)
    return found


def managers_after(nodes: Sequence[Mapping[str, Any]], todo: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of the nodes that are managers once the ``differences`` are done."""
    roles = {node["id"]: node["role"] for node in nodes}
    roles |= {each["node"]: each["role"] for each in todo if "role" in each}
    return sorted(node for node, role in roles.items() if node and role == "manager")


def ties(labels: Mapping[str, str], prefix: str) -> list[str]:
    """Why a node with these labels is not removed without more ado: what of other stacks and of data is on it."""
    parts = [name.split(".", 3) for name in labels if name.startswith("longshore.")]
    found = [
        f"the stack {part[1]} uses it too"
        for part in sorted(parts)
        if len(part) == 3 and part[2] == "server" and f"longshore.{part[1]}." != prefix
    ]
    return found + [
        f"the volume {part[3]} of {part[1]} is on it, so that its services can run nowhere else"
        for part in sorted(parts)
        if len(part) == 4 and part[2] == "volume"
    ]


def notes(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What an operator should know of the managers."""
    managers = [node for node in nodes if node["role"] == "manager"]
    found = []
    if managers and len(managers) % 2 == 0:
        found.append(
            f"{len(managers)} managers bear the loss of no more servers than {len(managers) - 1}: demote or add one"
        )
    return found


def quorum_after_removal(nodes: Sequence[Mapping[str, Any]], node: str) -> str:
    """Why ``node`` cannot be taken out, or an empty string when the other managers keep a majority without it."""
    managers = [each for each in nodes if each["role"] == "manager"]
    if node not in {each["id"] for each in managers}:
        return ""
    others = [each for each in managers if each["id"] != node]
    reachable = [each for each in others if each["reachability"] == "reachable"]
    needed = len(others) // 2 + 1
    if not others:
        return "it is the only manager; without it nobody can change the Swarm any more"
    if len(reachable) < needed:
        return f"of the other {len(others)} managers only {len(reachable)} answer, and {needed} are needed"
    return ""


def quorum_during_restart(nodes: Sequence[Mapping[str, Any]], node: str) -> str:
    """Why the engine of ``node`` cannot be restarted now, or an empty string.

    The managers may lose their majority meanwhile only where there is no way around it: with one or two of them.
    """
    managers = [each for each in nodes if each["role"] == "manager"]
    if node not in {each["id"] for each in managers}:
        return ""
    others = [each for each in managers if each["id"] != node]
    silent = [each["hostname"] or each["id"] for each in others if each["reachability"] != "reachable"]
    left, needed = len(others) - len(silent), len(managers) // 2 + 1
    if not silent or left >= needed:
        return ""
    return (
        f"without it only {left} of {len(managers)} managers answer, and {needed} are needed: "
        f"bring {', '.join(silent)} back, or take it out by `longshore server remove`"
    )


def overlaps(pools: Iterable[str], networks: Iterable[str]) -> list[tuple[str, str]]:
    """The pairs of an address pool and a network in use that share addresses."""
    import ipaddress  # noqa: PLC0415 - compiled by every task otherwise, and needed once in a cluster's life

    parsed = [(network, ipaddress.ip_network(network, strict=False)) for network in networks]
    return [
        (pool, network)
        for pool in pools
        for network, value in parsed
        if value.version == ipaddress.ip_network(pool).version and value.overlaps(ipaddress.ip_network(pool))
    ]


def routes(table: str) -> list[str]:
    """The networks of ``/proc/net/route`` besides the default route and Docker's own bridges."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[7] == "00000000" or fields[0].startswith(("docker", "br-", "veth")):
            continue
        address = ".".join(str(int(fields[1][place : place + 2], 16)) for place in (6, 4, 2, 0))
        found.append(f"{address}/{bin(int(fields[7], 16)).count('1')}")
    return found


def summary(node: Mapping[str, Any]) -> dict[str, Any]:
    """What matters of a node of Docker's API: id, hostname, role, availability, state, reachability, leader…"""
    spec, manager = node["Spec"], node.get("ManagerStatus") or {}
    return {
        "id": node["ID"],
        "hostname": node["Description"].get("Hostname", ""),
        "role": spec.get("Role", "worker"),
        "availability": spec.get("Availability", "active"),
        "state": node["Status"]["State"],
        "reachability": manager.get("Reachability", ""),
        "leader": bool(manager.get("Leader")),
        "address": manager.get("Addr", ""),
        "labels": spec.get("Labels") or {},
    }


def settings_of(swarm: Mapping[str, Any]) -> dict[str, Any]:
    """The settings this collection keeps: ``heartbeat`` in seconds, ``task_history`` in tasks per slot."""
    spec = swarm["Spec"]
    return {
        "heartbeat": spec["Dispatcher"]["HeartbeatPeriod"] / NANOSECONDS,
        "task_history": spec["Orchestration"]["TaskHistoryRetentionLimit"],
    }


def with_settings(spec: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A Swarm's spec of Docker's API with these settings; everything else in it stays."""
    changed = dict(spec)
    changed["Dispatcher"] = {
        **spec.get("Dispatcher", {}),
        "HeartbeatPeriod": int(settings["heartbeat"] * NANOSECONDS),
    }
    changed["Orchestration"] = {
        **spec.get("Orchestration", {}),
        "TaskHistoryRetentionLimit": settings["task_history"],
    }
    return changed


def _labels(node: Mapping[str, Any], server: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    current = node.get("labels", {})
    ours = {name: value for name, value in current.items() if name.startswith(prefix)}
    if ours == server["labels"]:
        return []
    others = {name: value for name, value in current.items() if not name.startswith(prefix)}
    return [
        {
            "what": f"labels of {server['name']}",
            "node": server["id"],
            "labels": {**others, **server["labels"]},
            "before": _pairs(ours),
            "after": _pairs(server["labels"]),
        }
    ]


def _stale(
    nodes: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    wanted: Sequence[Mapping[str, Any]],
    prefix: str,
) -> list[dict[str, Any]]:
    # A server that was installed anew is a new node; its old node must not attract what belongs on the server.
    present = {server["name"] for server in wanted if server["id"]}
    found = []
    for node in nodes:
        ours = {name: value for name, value in node["labels"].items() if name.startswith(prefix)}
        if node["id"] in names or ours.get(f"{prefix}server") not in present:
            continue
        found.append(
            {
                "what": f"labels of the former node of {ours[f'{prefix}server']}",
                "node": node["id"],
                "labels": {name: value for name, value in node["labels"].items() if name not in ours},
                "before": _pairs(ours),
                "after": "",
            }
        )
    return found


def _refuse_moves(nodes: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]], prefix: str) -> None:
    # Data doesn't follow its label: the service would begin anew, on an empty directory.
    looked = {server["id"]: server["data"] for server in wanted if server["id"]}
    moves = [
        (server, label, node)
        for server in wanted
        for label in server["data"]
        for node in nodes
        if label in server["labels"] and label in node["labels"] and node["id"] != server["id"]
    ]
    for server, label, node in moves:
        former = node["labels"].get(f"{prefix}server") or node["hostname"]
        there = looked.get(node["id"], {}).get(label)
        # A server that was installed anew has a node more.
        if former == server["name"] or (there is not None and not there["held"]):
            continue
        path = server["data"][label]["path"]
        wish = f"the volume {label.rpartition('.')[2]} is to be on {server['name']}, but "
        back = f"or let it be on {former} as before"
        if there is None:
            raise SwarmError(
                f"{wish}its data may be on {former} in {path}, which could not be looked at. Nothing was moved. Run "
                f"again when {former} answers and is in the stack file, {back}; if it is lost for good, take it out "
                f"by `longshore server remove {former}`"
            )
        raise SwarmError(
            f"{wish}its data is on {former} in {path}. Nothing was moved. Stop the service, move what is in that "
            f"directory to {server['name']} yourself, so that none is left on {former}, and run again; {back}"
        )


def _put_back(node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "what": f"{node['hostname']} put back after a restart",
        "node": node["id"],
        "availability": "active",
        "before": "availability = drain\n",
        "after": "availability = active\n",
    }


def _promotions(by_id: Mapping[str, Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "what": f"{server['name']} promoted to manager",
            "node": server["id"],
            "role": "manager",
            "before": "role = worker\n",
            "after": "role = manager\n",
        }
        for server in wanted
        if server["role"] == "manager" and by_id.get(server["id"], {}).get("role", server["known_role"]) != "manager"
    ]


def _refuse_strangers(by_id: Mapping[str, Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> None:
    # The managers keep the cluster's keys: if all were others at once, the keys would be made anew.
    names = {server["id"]: server["name"] for server in wanted if server["id"]}
    present = [names.get(node["id"], node["hostname"]) for node in by_id.values() if node["role"] == "manager"]
    should = [server for server in wanted if server["role"] == "manager"]
    if present and should and not any(by_id.get(server["id"], {}).get("role") == "manager" for server in should):
        raise SwarmError(
            f"none of the servers that should be managers and answer ({', '.join(each['name'] for each in should)}) "
            f"is one now: keep one of {', '.join(sorted(present))} as a manager (`manager: true`), since these hold "
            "the cluster's keys"
        )


def _demotions(
    by_id: Mapping[str, Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]], prefix: str, managers: int
) -> list[dict[str, Any]]:
    ready = [
        server
        for server in wanted
        if server["role"] == "manager"
        and (node := by_id.get(server["id"])) is not None
        and node["state"] == "ready"
        and node["reachability"] in ("", "reachable")
    ]
    if not managers or len(ready) < managers:
        return []
    return [
        {
            "what": f"{server['name']} demoted to worker",
            "node": server["id"],
            "role": "worker",
            "before": "role = manager\n",
            "after": "role = worker\n",
        }
        for server in wanted
        if server["role"] == "worker"
        and by_id.get(server["id"], {}).get("role") == "manager"
        and not _spoken_for(by_id, by_id[server["id"]], prefix)
    ]


def _spoken_for(by_id: Mapping[str, Mapping[str, Any]], node: Mapping[str, Any], prefix: str) -> bool:
    """Whether another stack wants this node as a manager, or has not said which ones it wants."""
    labels = node["labels"]
    others = {name.removesuffix("server") for name in labels if name.endswith(".server")} - {prefix}
    said = {other for other in others if any(f"{other}manager" in each["labels"] for each in by_id.values())}
    return any(other not in said or f"{other}manager" in labels for other in others)


def _pairs(values: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {value}\n" for name, value in sorted(values.items()))
