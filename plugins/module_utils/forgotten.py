# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that Swarm no longer tries to place: it drops one that waits for a server when its service was given another
spec meanwhile, even one with the same tasks, and starts it nowhere when the server is back (moby/moby#53722).

Private to the collection. Pure functions over the engine's objects.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


def forgotten(tasks: Iterable[Mapping[str, Any]], service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those of a replicated service's ``tasks`` that wait for a server since before ``service`` was last written."""
    # Both times are of the leader's clock; a shorter fraction of a second is the beginning of a longer one.
    written = str(service["UpdatedAt"]).rstrip("Z")
    return [task for task in _waiting(tasks) if str(task["CreatedAt"]).rstrip("Z") < written]


def forgettable(tasks: Iterable[Mapping[str, Any]], service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those, and the others that wait while an update of ``service`` is under way: its end is noted as a write."""
    updating = (service.get("UpdateStatus") or {}).get("State") == "updating"
    return _waiting(tasks) if updating else forgotten(tasks, service)


def _waiting(tasks: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [
        task
        for task in tasks
        if task["DesiredState"] == "running" and not task.get("NodeID") and task["Status"]["State"] == "pending"
    ]
