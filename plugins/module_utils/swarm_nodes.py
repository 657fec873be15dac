# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to a Swarm's nodes, from a manager: labels, roles, draining, removal.

Private to the collection.
"""

from __future__ import annotations

import time

from .docker_api import Docker, DockerError
from .service_spec import restarts
from .swarm_plan import (
    RESTARTING,
    SwarmError,
    quorum_after_removal,
    quorum_during_restart,
    summary,
    with_settings,
)
from .swarm_state import patient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .run import Run

# Somebody else may write the same object between our reading and writing; each retry reads anew.
ATTEMPTS = 10
# A worker becomes a manager in 1 to 3 s: a certificate, then the log. Seconds.
PROMOTION_TIMEOUT = 120.0
# A manager whose engine has just started takes part again within some seconds. Seconds.
RETURN_TIMEOUT = 30.0
ACTIVE_STATES = ("new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running")


def apply(docker: Docker, difference: Mapping[str, Any], run: Run) -> None:
    """Do one of ``swarm_plan.differences``, and wait for promotions and demotions."""
    if "settings" in difference:
        _update_swarm(docker, difference["settings"])
    elif "labels" in difference:
        update_node(docker, difference["node"], {"Labels": dict(difference["labels"])})
    elif "availability" in difference:
        activate(docker, difference["node"])
    elif difference["role"] == "manager":
        update_node(docker, difference["node"], {"Role": "manager"})
        wait_for_manager(docker, difference["node"], run)
    else:
        wait_for_majority(docker, difference["node"], run)
        demote(docker, difference["node"], run)


def update_node(docker: Docker, node: str, fields: Mapping[str, Any]) -> None:
    """Set fields of a node's spec; the others stay."""
    for attempt in range(ATTEMPTS):
        current = docker.get(f"/nodes/{node}")
        try:
            _write(docker, f"/nodes/{node}/update", {**current["Spec"], **fields}, current["Version"]["Index"])
            return
        except DockerError as error:
            if "out of sequence" not in error.message or attempt == ATTEMPTS - 1:
                raise


def nodes(docker: Docker) -> list[dict[str, Any]]:
    """All nodes; see ``swarm_plan.summary``."""
    return [summary(node) for node in docker.get("/nodes")]


def nodes_once_led(docker: Docker, timeout: float, run: Run) -> list[dict[str, Any]]:
    """All nodes, as soon as the managers have a leader: a manager's restart makes them choose one.

    A manager whose engine has just started calls itself no manager too, but not for longer than ``RETURN_TIMEOUT``.
    """
    waiting, returning = _Deadline(timeout, run), _Deadline(min(timeout, RETURN_TIMEOUT), run)
    while True:
        try:
            return nodes(docker)
        except DockerError as error:
            over = "not a swarm manager" in error.message and returning.has_passed()
            if over or error.status in range(1, 500) or waiting.is_over():
                raise


def wait_until_spared(docker: Docker, node: str, run: Run) -> None:
    """Wait until the other managers keep their majority while this one's engine restarts."""
    waiting = _Deadline(RETURN_TIMEOUT, run)
    while problem := quorum_during_restart(nodes_once_led(docker, RETURN_TIMEOUT, run), node):
        if waiting.is_over():
            raise SwarmError(f"its engine is not restarted: {problem}")


def find(everything: Sequence[Mapping[str, Any]], identifier: str, label: str, name: str) -> dict[str, Any] | None:
    """The node with this id, else the one whose label ``label`` is ``name``; None when there is none."""
    for node in everything:
        if node["id"] == identifier or (not identifier and node["labels"].get(label) == name):
            return dict(node)
    return None


def drain(docker: Docker, node: str, restarting: bool) -> None:
    """Have the Swarm move a node's tasks away; ``restarting`` marks it to be put back by whoever comes later."""
    labels = dict(docker.get(f"/nodes/{node}")["Spec"].get("Labels") or {})
    if restarting:
        labels[RESTARTING] = "true"
    update_node(docker, node, {"Availability": "drain", "Labels": labels})


def activate(docker: Docker, node: str) -> None:
    """Let tasks come to a node again."""
    labels = dict(docker.get(f"/nodes/{node}")["Spec"].get("Labels") or {})
    labels.pop(RESTARTING, None)
    update_node(docker, node, {"Availability": "active", "Labels": labels})


def wait_until_drained(docker: Docker, node: str, before: Sequence[str], timeout: float, run: Run) -> list[str]:
    """Wait until nothing runs on a node and its services run elsewhere.

    ``before`` are the services that had tasks there. The answer names those that no other server may run; for them
    there is nothing to wait for. Raises ``SwarmError`` after ``timeout`` seconds, naming what did not move.
    """
    waiting = _Deadline(timeout, run)
    while True:
        # What a dead server last said of its tasks stands for ever.
        is_up = summary(docker.get(f"/nodes/{node}"))["state"] == "ready"
        staying = [task for task in _tasks(docker, {"node": [node]}) if _runs(task)] if is_up else []
        stuck, missing = _elsewhere(docker, before)
        if not staying and not missing:
            return stuck
        if waiting.is_over():
            names = _names(docker, {task["ServiceID"] for task in staying}) + missing
            raise SwarmError(f"after {timeout:.0f} s these services have not moved: {', '.join(sorted(set(names)))}")


def services_on(docker: Docker, node: str) -> list[str]:
    """The ids of the replicated services that have tasks on a node; those of global ones have no other place."""
    found = {task["ServiceID"] for task in _tasks(docker, {"node": [node]}) if _runs(task) and task.get("Slot")}
    return sorted(found)


def wait_until_ready(docker: Docker, node: str, timeout: float, run: Run) -> None:
    """Wait until a node is up and, as a manager, answers the others."""
    waiting = _Deadline(timeout, run)
    while True:
        # The engine whose node restarts may be the very one that is asked.
        try:
            now = summary(docker.get(f"/nodes/{node}"))
            if now["state"] == "ready" and now["reachability"] in ("", "reachable"):
                return
            problem = f"its node is {now['state']} {now['reachability']}".strip()
        except DockerError as error:
            problem = error.message
        if waiting.is_over():
            raise SwarmError(f"after {timeout:.0f} s the server is not back in the Swarm: {problem}")


def wait_for_manager(docker: Docker, node: str, run: Run) -> None:
    """Wait until a promoted node takes part in the managers' log."""
    waiting = _Deadline(PROMOTION_TIMEOUT, run)
    while summary(docker.get(f"/nodes/{node}"))["reachability"] != "reachable":
        if waiting.is_over():
            raise SwarmError(
                f"after {PROMOTION_TIMEOUT:.0f} s the promoted node {node} does not answer the other managers; "
                "is 2377/tcp open between them?"
            )


def wait_for_majority(docker: Docker, node: str, run: Run) -> None:
    """Wait until the managers without this one have a majority: right after a demotion they may choose a leader."""
    waiting = _Deadline(PROMOTION_TIMEOUT, run)
    while True:
        try:
            problem = quorum_after_removal(nodes(docker), node)
        except DockerError as error:
            problem = error.message
        if not problem:
            return
        if waiting.is_over():
            raise SwarmError(f"after {PROMOTION_TIMEOUT:.0f} s the node {node} is still needed as a manager: {problem}")


def demote(docker: Docker, node: str, run: Run) -> None:
    """Make a manager a worker, unless the others would lose their majority."""
    everything = nodes(docker)
    problem = quorum_after_removal(everything, node)
    if problem:
        raise SwarmError(f"refused: {problem}")
    update_node(docker, node, {"Role": "worker"})
    waiting = _Deadline(PROMOTION_TIMEOUT, run)
    while _is_manager(docker, node):
        if waiting.is_over():
            raise SwarmError(f"after {PROMOTION_TIMEOUT:.0f} s the node {node} is still a manager")


def remove(docker: Docker, node: str) -> None:
    """Forget a drained worker. The server, when it lives, leaves afterwards: a dead one cannot be waited for."""
    docker.delete(f"/nodes/{node}", force=True)


def _is_manager(docker: Docker, node: str) -> bool:
    try:
        return bool(docker.get(f"/nodes/{node}").get("ManagerStatus"))
    except DockerError as error:
        # The managers choose a leader when it was theirs.
        if error.status < 500:
            raise
        return True


class _Deadline:
    def __init__(self, seconds: float, run: Run) -> None:
        self._until = time.monotonic() + seconds
        self._run = run

    def has_passed(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._until

    def is_over(self) -> bool:
        """True when the time is up; else after a short wait False."""
        if self.has_passed():
            return True
        self._run.wait(0.25)
        return False


def _update_swarm(docker: Docker, settings: Mapping[str, Any]) -> None:
    for attempt in range(ATTEMPTS):
        current = docker.get("/swarm")
        try:
            _write(docker, "/swarm/update", with_settings(current["Spec"], settings), current["Version"]["Index"])
            return
        except DockerError as error:
            if "out of sequence" not in error.message or attempt == ATTEMPTS - 1:
                raise


def _write(docker: Docker, path: str, spec: Mapping[str, Any], version: int) -> None:
    patient(lambda: docker.post(path, spec, version=version))


def _tasks(docker: Docker, filters: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = docker.get("/tasks", filters=dict(filters))
    return found


def _runs(task: Mapping[str, Any]) -> bool:
    return bool(task["Status"]["State"] in ACTIVE_STATES)


def _elsewhere(docker: Docker, services: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names of the services that no other node may run, and of those that are still on their way."""
    stuck: list[str] = []
    missing: list[str] = []
    for service in services:
        try:
            spec = docker.get(f"/services/{service}")["Spec"]
        except DockerError as error:
            if error.status == 404:
                continue
            raise
        tasks = _tasks(docker, {"service": [service], "desired-state": ["running"]})
        running = sum(task["Status"]["State"] == "running" for task in tasks)
        if running >= (spec["Mode"].get("Replicated") or {}).get("Replicas", 0):
            continue
        waiting = [task for task in tasks if task["Status"]["State"] != "running"]
        if not waiting and not restarts(spec["TaskTemplate"]):
            # What is done is not done again elsewhere.
            continue
        no_place = [task for task in waiting if "no suitable node" in task["Status"].get("Err", "")]
        (stuck if waiting and len(waiting) == len(no_place) else missing).append(spec["Name"])
    return stuck, missing


def _names(docker: Docker, services: set[str]) -> list[str]:
    return [docker.get(f"/services/{service}")["Spec"]["Name"] for service in sorted(services)]
