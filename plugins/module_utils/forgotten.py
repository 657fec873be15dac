# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that Swarm no longer tries to place: it drops one that waits for a server when its service was given another
spec meanwhile, even one with the same tasks, and starts it nowhere when the server is back (moby/moby#53722).

Private to the collection. Pure functions over the engine's objects. Such tasks are made anew by going through fewer
replicas: of too many tasks Swarm takes those first that run nowhere.
"""

from __future__ import annotations

from ansible_collections.longshore.stack.plugins.module_utils.watch import ENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


def forgotten(tasks: Iterable[Mapping[str, Any]], service: Mapping[str, Any]) -> frozenset[str]:
    """The identifiers of the tasks of ``service`` that wait for a server, one for each replica, when one of them waits
    since before the service was last written; else none.

    All of them, since Swarm chooses which it takes; and none while a slot has two tasks: Swarm would take that slot
    first, which may serve.
    """
    waiting = _waiting(tasks, service)
    # Both times are of the leader's clock; a shorter fraction of a second is the beginning of a longer one.
    written = str(service["UpdatedAt"]).rstrip("Z")
    old = any(str(task["CreatedAt"]).rstrip("Z") < written for task in waiting)
    return frozenset(task["ID"] for task in waiting) if old else frozenset()


def forgettable(tasks: Iterable[Mapping[str, Any]], service: Mapping[str, Any]) -> frozenset[str]:
    """Those, and all that wait while an update of ``service`` is under way: its end is noted as a write."""
    if (service.get("UpdateStatus") or {}).get("State") == "updating":
        return frozenset(task["ID"] for task in _waiting(tasks, service))
    return forgotten(tasks, service)


def _waiting(tasks: Iterable[Mapping[str, Any]], service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    live = [
        task
        for task in tasks
        if task["DesiredState"] in ("running", "ready") and task.get("Slot") and task["Status"]["State"] not in ENDED
    ]
    doubled = len({task["Slot"] for task in live}) < len(live)
    if doubled or "Replicated" not in service["Spec"]["Mode"]:
        return []
    return [task for task in live if not task.get("NodeID") and task["Status"]["State"] == "pending"]
