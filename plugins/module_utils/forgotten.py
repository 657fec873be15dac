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


def waiting(tasks: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of a service's ``tasks`` that wait for a server, one for each replica.

    Swarm chooses which of them goes when there are fewer replicas, so it is all of them or none; and none while a slot
    has two tasks, since Swarm would take that slot first, which may serve.
    """
    live = [
        task
        for task in tasks
        if task["DesiredState"] in ("running", "ready") and task.get("Slot") and task["Status"]["State"] not in ENDED
    ]
    if len({task["Slot"] for task in live}) < len(live):
        return []
    return [task for task in live if not task.get("NodeID") and task["Status"]["State"] == "pending"]


def forgotten(found: Iterable[Mapping[str, Any]], service: Mapping[str, Any]) -> bool:
    """Whether one of the tasks that wait does so since before ``service`` was last written."""
    # Both times are of the leader's clock; a shorter fraction of a second is the beginning of a longer one.
    written = str(service["UpdatedAt"]).rstrip("Z")
    return any(str(task["CreatedAt"]).rstrip("Z") < written for task in found)


def forgettable(found: Iterable[Mapping[str, Any]], service: Mapping[str, Any]) -> bool:
    """The same, or whether it will look so: the end of an update that is under way is noted as a write."""
    return (service.get("UpdateStatus") or {}).get("State") == "updating" or forgotten(found, service)
