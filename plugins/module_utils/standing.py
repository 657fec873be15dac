# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a run left alone runs as wanted too: a result that says "done" has to be true.

Private to the collection.
"""

from __future__ import annotations

import time

from ansible_collections.longshore.stack.plugins.module_utils import explain, placement
from ansible_collections.longshore.stack.plugins.module_utils.service_spec import restarts
from ansible_collections.longshore.stack.plugins.module_utils.spec_diff import same_task
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import patient
from ansible_collections.longshore.stack.plugins.module_utils.watch import ENDED, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State

# Swarm may be moving tasks just now, after a server died or came back; seconds.
PATIENCE = 30.0
POLL = 0.5


def unsettled(
    docker: Docker, run: Run, state: State, names: Iterable[str], secrets: Iterable[str] = ()
) -> tuple[dict[str, str], dict[str, str]]:
    """The explanations, by service, of what does not run as wanted after a while: first what is broken, second what
    only lacks a server that is away."""
    values = list(secrets)
    services = {name: state.services[name] for name in names if name in state.services}
    nodes = state.nodes
    until = time.monotonic() + PATIENCE
    while services:
        ids = sorted(service["ID"] for service in services.values())
        tasks = patient(lambda ids=ids: docker.get("/tasks", filters={"service": ids}))  # type: ignore[misc]
        # A server may have died since the run began.
        nodes = placement.heard(nodes, patient(lambda: docker.get("/nodes")))
        services = {name: one for name, one in services.items() if not _stands(one, tasks, nodes)}
        if not services or time.monotonic() > until:
            break
        run.wait(POLL)
    place = explain.Place(docker, state.stack, nodes, values)
    broken: dict[str, str] = {}
    lacking: dict[str, str] = {}
    for name, service in services.items():
        mine = [task for task in tasks if task["ServiceID"] == service["ID"]]
        text = explain.explain(place, name, _failure(mine), service["Spec"])
        (lacking if placement.away(nodes, service["Spec"]) else broken)[name] = text
    return broken, lacking


def _stands(service: dict[str, Any], tasks: list[dict[str, Any]], nodes: list[dict[str, Any]]) -> bool:
    gone = placement.gone(nodes)
    mine = [task for task in tasks if task["ServiceID"] == service["ID"] and task.get("NodeID") not in gone]
    up = [task for task in mine if task["DesiredState"] == "running" and task["Status"]["State"] == "running"]
    wanted = placement.wanted_tasks(service["Spec"], nodes)
    if len(up) >= wanted:
        return True
    template = service["Spec"]["TaskTemplate"]
    done = [
        task
        for task in mine
        if task["Status"]["State"] == "complete"
        and same_task(placement.in_place(task, template, nodes).get("Spec"), template)
    ]
    return not restarts(template) and len(up) + len(done) >= wanted


def _failure(tasks: list[dict[str, Any]]) -> Failure:
    told = [task for task in tasks if task["Status"].get("Err")]
    stuck = [task for task in told if task["Status"]["State"] == "pending"]
    if stuck:
        return Failure("no_place", stuck[0])
    ended = [task for task in told if task["Status"]["State"] in ENDED]
    newest = max(ended or tasks, key=lambda task: str(task["Status"].get("Timestamp")), default=None)
    return Failure("failed" if ended else "deadline", newest)
