# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes a service may run on, by Swarm's own rules for constraints.

Private to the collection. Pure functions over the engine's node objects.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_TAG = re.compile(r"node\.labels\.longshore\.[^.]+\.(tag|volume)\.(.+)==true")


def usable(node: Mapping[str, Any]) -> bool:
    """Whether Swarm puts tasks on the node now."""
    return bool(node["Spec"].get("Availability") == "active" and (node.get("Status") or {}).get("State") == "ready")


def fits(node: Mapping[str, Any], constraints: Iterable[str]) -> bool:
    """Whether the node meets all constraints."""
    return all(_meets(node, constraint) for constraint in constraints)


def eligible(nodes: Iterable[Mapping[str, Any]], spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The nodes that a service of this spec may run on now."""
    constraints = (spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or []
    return [node for node in nodes if usable(node) and fits(node, constraints)]


def wanted_tasks(spec: Mapping[str, Any], nodes: Iterable[Mapping[str, Any]]) -> int:
    """How many tasks a service of this spec should have now."""
    replicated = spec["Mode"].get("Replicated")
    return int(replicated.get("Replicas", 1)) if replicated is not None else len(eligible(nodes, spec))


def in_place(task: dict[str, Any], template: Mapping[str, Any], nodes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """``task`` as one of ``template``'s placement, if its server meets that: Swarm leaves such a task where it is when
    nothing else of its spec has changed, with the old placement written in it."""
    wanted = template.get("Placement") or {}
    spec = task.get("Spec") or {}
    if spec.get("Placement") == wanted:
        return task
    node = next((node for node in nodes if node["ID"] == task.get("NodeID")), None)
    if node is None or not fits(node, wanted.get("Constraints") or []):
        return task
    return {**task, "Spec": {**spec, "Placement": wanted}}


def gone(nodes: Iterable[Mapping[str, Any]]) -> set[str]:
    """The identifiers of the nodes that are lost: what they last said of their tasks stands for ever."""
    # "unknown" is what a new leader says of a node that has not called in yet.
    return {node["ID"] for node in nodes if (node.get("Status") or {}).get("State") not in ("ready", "unknown")}


def heard(before: Iterable[Mapping[str, Any]], now: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes as they are ``now``; those of which a new leader knows nothing yet as they were ``before``."""
    known = {node["ID"]: node["Status"] for node in before}
    return [
        {**node, "Status": known.get(node["ID"], node["Status"])} if node["Status"]["State"] == "unknown" else node
        for node in now
    ]


def away(nodes: Iterable[Mapping[str, Any]], spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The nodes that a service of this spec could run on, were they not down or drained."""
    constraints = (spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or []
    return [node for node in nodes if not usable(node) and fits(node, constraints)]


def unmet(nodes: Iterable[Mapping[str, Any]], constraints: Iterable[str]) -> list[str]:
    """In words, the constraints that no node at all meets."""
    everyone = list(nodes)
    return [
        in_words(constraint) for constraint in constraints if not any(_meets(node, constraint) for node in everyone)
    ]


def in_words(constraint: str) -> str:
    """A constraint as people say it: ``tag app``, ``volume uploads``, ``server of the stack``, or as it is."""
    if re.fullmatch(r"node\.labels\.longshore\.[^.]+\.member==true", constraint):
        return "server of the stack"
    match = _TAG.fullmatch("".join(constraint.split()))
    return f"{match.group(1)} {match.group(2)}" if match else constraint


def server_names(stack: str, nodes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Node id → the server's name in the stack file, or the host name."""
    return {
        node["ID"]: (node["Spec"].get("Labels") or {}).get(f"longshore.{stack}.server")
        or node["Description"]["Hostname"]
        for node in nodes
    }


def _meets(node: Mapping[str, Any], constraint: str) -> bool:
    key, operator, wanted = _split(constraint)
    found = _value(node, key)
    return (found.lower() == wanted.lower()) == (operator == "==")


def _split(constraint: str) -> tuple[str, str, str]:
    for operator in ("==", "!="):
        key, found, wanted = constraint.partition(operator)
        if found:
            return key.strip(), operator, wanted.strip()
    return constraint, "==", ""


def _value(node: Mapping[str, Any], key: str) -> str:
    description = node.get("Description") or {}
    platform = description.get("Platform") or {}
    plain = {
        "node.id": node["ID"],
        "node.hostname": description.get("Hostname"),
        "node.role": node["Spec"].get("Role"),
        "node.platform.os": platform.get("OS"),
        "node.platform.arch": platform.get("Architecture"),
        "node.ip": (node.get("Status") or {}).get("Addr"),
    }
    if key in plain:
        return str(plain[key] or "")
    for start, labels in (
        ("node.labels.", node["Spec"].get("Labels")),
        ("engine.labels.", (description.get("Engine") or {}).get("Labels")),
    ):
        if key.startswith(start):
            return str((labels or {}).get(key[len(start) :], ""))
    return ""
