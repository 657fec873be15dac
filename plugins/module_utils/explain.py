# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a service does not run, in one screen: what, where, why, its last lines, what to do.

Private to the collection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.longshore.stack.plugins.module_utils import placement
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.watch import Failure

LOG_LINES = 20
LOG_WIDTH = 400
# Reading the log of a task on a node that has gone could hang; seconds.
LOG_PATIENCE = 10.0


@dataclass
class Place:
    """Where it happened: a manager's engine, the stack, all nodes, and the ``secrets`` to be masked.

    Without ``secrets``, what a container printed that was given some is left out."""

    docker: Docker
    stack: str
    nodes: list[dict[str, Any]]
    secrets: Iterable[str] = ()


def explain(place: Place, name: str, failure: Failure, spec: Mapping[str, Any]) -> str:
    """Several lines about one failed service. Reads the container's state, where it is on this node, and the log."""
    task, docker, nodes = failure.task, place.docker, place.nodes
    servers = placement.server_names(place.stack, nodes)
    container = _inspect(docker, task)
    lines = [f"service {name}: {_what(failure, task, servers)}"]
    lines += [f"  why: {reason}" for reason in _why(failure, task, spec, nodes, container)]
    secrets = list(place.secrets)
    untold = not secrets and bool(spec["TaskTemplate"]["ContainerSpec"].get("Secrets"))
    health = [] if untold else _health_output(container, secrets)
    if health:
        lines += ["  health check said:", *(f"    {line}" for line in health)]
    started = bool(task and (task["Status"].get("ContainerStatus") or {}).get("ContainerID"))
    log = tail(docker, task, secrets) if task and started and not untold else []
    if untold and started:
        lines.append("  its log is left out, since it may hold secret values: see `longshore logs`")
    if log:
        lines += [
            f"  last lines of its log (task {task['ID'][:12] if task else ''}):",
            *(f"    {line}" for line in log),
        ]
    lines.append(f"  what to do: {_cure(failure, task, spec, container)}")
    return mask("\n".join(lines), secrets)


def tail(docker: Docker, task: Mapping[str, Any], secrets: Iterable[str]) -> list[str]:
    """The last lines of a task's log, oldest first, without ``secrets``; empty when the engine can't give them."""
    content = _log(docker, task)
    if content == b"":
        # A busy engine on another server may give nothing at first.
        content = _log(docker, task)
    if not content:
        return []
    tty = (task.get("Spec", {}).get("ContainerSpec") or {}).get("TTY")
    text = (content if tty else demultiplexed(content)).decode(errors="replace")
    return _shown(text, secrets)[-LOG_LINES:]


def _log(docker: Docker, task: Mapping[str, Any]) -> bytes | None:
    reader = docker.clone(LOG_PATIENCE)
    try:
        return reader.raw("GET", f"/tasks/{task['ID']}/logs", stdout=True, stderr=True, tail=LOG_LINES)
    except (DockerError, OSError):
        return None
    finally:
        reader.close()


def demultiplexed(content: bytes) -> bytes:
    """What a container printed, from the engine's frames (one byte of stream, three of nothing, four of length)."""
    parts, position = [], 0
    while position + 8 <= len(content):
        length = int.from_bytes(content[position + 4 : position + 8], "big")
        parts.append(content[position + 8 : position + 8 + length])
        position += 8 + length
    return b"".join(parts)


def _what(failure: Failure, task: Mapping[str, Any] | None, servers: Mapping[str, str]) -> str:
    if failure.kind == "no_place":
        return "no server takes it"
    if task is None:
        return f"no task appeared {failure.detail}".rstrip()
    where = servers.get(task.get("NodeID") or "", "")
    place = f" on {where}" if where else ""
    state = task["Status"]["State"]
    if failure.kind == "deadline":
        return f"not up before its deadline; a task{place} is {state}"
    return f"its new task{place} {'was refused' if state == 'rejected' else 'ended'}"


def _why(
    failure: Failure,
    task: Mapping[str, Any] | None,
    spec: Mapping[str, Any],
    nodes: list[dict[str, Any]],
    container: Mapping[str, Any],
) -> list[str]:
    error = (task or {}).get("Status", {}).get("Err") or ""
    image = spec["TaskTemplate"]["ContainerSpec"]["Image"]
    if failure.kind == "no_place" or "no suitable node" in error:
        return _why_no_place(error, spec, nodes)
    if "No such image" in error or "pull access denied" in error or "manifest unknown" in error:
        return [f"the image {image} was not found: {_plain(error)}"]
    if "unhealthy" in error:
        return [f"its health check failed: {_check(spec)}"]
    if container.get("OOMKilled"):
        return ["out of memory: the kernel ended it" + _memory(spec)]
    if failure.kind == "deadline" and task and task["Status"]["State"] == "starting":
        return [f"its health check has not succeeded: {_check(spec)}"]
    code = ((task or {}).get("Status", {}).get("ContainerStatus") or {}).get("ExitCode")
    if code is not None and (code or "exit" in error or (task or {})["Status"]["State"] == "complete"):
        return [_ended(code, spec)]
    return [_plain(error)] if error else []


def _ended(code: int, spec: Mapping[str, Any]) -> str:
    if code == 137:
        return "it was killed (exit code 137), most often for want of memory" + _memory(spec)
    if code == 0 and _checked(spec):
        # A program that ends well when it is told to hides from Swarm why it was told.
        return f"it ended with exit code 0: by itself, or since its health check failed: {_check(spec)}"
    return f"it ended with exit code {code}"


def _why_no_place(error: str, spec: Mapping[str, Any], nodes: list[dict[str, Any]]) -> list[str]:
    reasons = [_plain(error)] if error else []
    constraints = (spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or []
    unmet = placement.unmet(nodes, constraints)
    if unmet:
        reasons.append(f"no server has {', '.join(unmet)}")
    elif not any(placement.fits(node, constraints) for node in nodes):
        words = ", ".join(placement.in_words(constraint) for constraint in constraints)
        reasons.append(f"no server meets all of: {words}")
    away = [node for node in nodes if not placement.usable(node) and placement.fits(node, constraints)]
    if away:
        names = ", ".join(node["Description"]["Hostname"] for node in away)
        reasons.append(f"servers that would fit but are down or drained: {names}")
    return reasons


def _cure(
    failure: Failure, task: Mapping[str, Any] | None, spec: Mapping[str, Any], container: Mapping[str, Any]
) -> str:
    error = (task or {}).get("Status", {}).get("Err") or ""
    if "No such image" in error:
        return "check the image's name and tag, and that the registry's credentials are given"
    if failure.kind == "no_place":
        order = (spec.get("UpdateConfig") or {}).get("Order")
        if order == "start-first" and ("max replicas" in error or "port" in error or "resources" in error):
            return "start-first needs room for one task more: add a server, or set update.order: stop-first"
        return "check placement, resources.reservations and the servers' tags"
    if "unhealthy" in error or (task and task["Status"]["State"] == "starting"):
        return "check the health check's path and port, and start_period if it starts slowly"
    code = ((task or {}).get("Status", {}).get("ContainerStatus") or {}).get("ExitCode")
    if code == 0 and _checked(spec):
        return "check the health check's path and port, and that the command goes on running"
    if container.get("OOMKilled") or code == 137:
        return "raise resources.limits.memory, or make it use less"
    return "read its log above, repair, and deploy again"


def _plain(error: str) -> str:
    return re.sub(r"^(task: |starting container failed: )+", "", error).strip()


def _checked(spec: Mapping[str, Any]) -> bool:
    test = (spec["TaskTemplate"]["ContainerSpec"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    return bool(test[0] != "NONE")


def _check(spec: Mapping[str, Any]) -> str:
    check = spec["TaskTemplate"]["ContainerSpec"].get("Healthcheck") or {}
    test = list(check.get("Test") or [])
    if "/.longshore/check" in test:
        kind, _host, port, path = test[test.index("/.longshore/check") + 1 :][:4]
        return f"{kind} port {port}" + (f" {path}" if kind == "http" else "")
    return " ".join(test[1:]) or "the image's own"


def _memory(spec: Mapping[str, Any]) -> str:
    limit = ((spec["TaskTemplate"].get("Resources") or {}).get("Limits") or {}).get("MemoryBytes")
    return f" (its limit is {limit // 2**20}M)" if limit else ""


def _inspect(docker: Docker, task: Mapping[str, Any] | None) -> dict[str, Any]:
    """The container's state, if it is on this node."""
    identifier = ((task or {}).get("Status", {}).get("ContainerStatus") or {}).get("ContainerID")
    if not identifier:
        return {}
    try:
        state: dict[str, Any] = docker.get(f"/containers/{identifier}/json")["State"]
    except DockerError:
        return {}
    return state


def _health_output(container: Mapping[str, Any], secrets: Iterable[str]) -> list[str]:
    entries = (container.get("Health") or {}).get("Log") or []
    said = [str(entry.get("Output") or "") for entry in entries if entry.get("ExitCode")]
    return _shown(said[-1], secrets)[-5:] if said else []


def _shown(text: str, secrets: Iterable[str]) -> list[str]:
    # Masked before it is cut: of a value that is cut, the first part would stay.
    return [line.rstrip()[:LOG_WIDTH] for line in mask(text, secrets).splitlines() if line.strip()]
