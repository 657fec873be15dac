# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether tasks have to be spread anew: Swarm moves tasks away from a server that is lost, and never back.

Private to the collection. Pure functions over the engine's objects.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from ansible_collections.longshore.stack.plugins.module_utils import placement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State


class Uneven(NamedTuple):
    """``tasks`` by server, and the number of replicas to go through, so that Swarm itself spreads them: new tasks go
    to the server with the fewest, and from the one with the most they are taken."""

    tasks: dict[str, int]
    through: int


def uneven(state: State, name: str, spec: Mapping[str, Any]) -> Uneven | None:
    """How the tasks of the service ``name`` stand, when a server came (back) since the service was last changed and
    runs none of them while another one runs several. ``spec`` is the wanted one.

    A service that was spread anew has changed after that, so it is tried once, even when a server has no room.
    """
    live = state.services[name]
    wanted = int((spec["Mode"].get("Replicated") or {}).get("Replicas", 0))
    tasks = [task for task in state.tasks if task["ServiceID"] == live["ID"]]
    counted = Counter(task.get("NodeID") for task in tasks if task["DesiredState"] == "running")
    if max(counted.values(), default=0) < 2:
        return None
    moved = {task.get("NodeID") for task in tasks if _moved_away(task, live, tasks)}
    eligible = placement.eligible(state.nodes, spec)
    came = [
        node
        for node in eligible
        if not counted[node["ID"]] and (node["ID"] in moved or _time(node["CreatedAt"]) > _time(live["UpdatedAt"]))
    ]
    if not came:
        return None
    number = max(1, wanted // len(eligible)) * len(came)
    order = (spec.get("UpdateConfig") or {}).get("Order")
    servers = placement.server_names(state.stack, state.nodes)
    return Uneven(
        {servers[node["ID"]]: counted[node["ID"]] for node in eligible},
        wanted + number if order == "start-first" else max(1, wanted - number),
    )


def _moved_away(task: Mapping[str, Any], live: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the task has ended since the service was last changed, and not by its own fault: its server was drained,
    or lost, which is told when it is back. Tasks that a change replaced end before the change is through."""
    changed = _time(live["UpdatedAt"])
    if task["DesiredState"] != "shutdown" or min(_time(task["UpdatedAt"]), _ended(task)) <= changed:
        return False
    return task["Status"]["State"] not in ("failed", "rejected") or _replaced_before_it_failed(task, tasks)


def _replaced_before_it_failed(task: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it failed with its server, long after it was replaced elsewhere."""
    created = _time(task["CreatedAt"])
    later = [_time(other["CreatedAt"]) for other in tasks if other.get("Slot") == task.get("Slot")]
    replaced = min((stamp for stamp in later if stamp > created), default="")
    return "" < replaced < _ended(task)


def _ended(task: Mapping[str, Any]) -> str:
    return _time(task["Status"].get("Timestamp", ""))


def _time(stamp: str) -> str:
    # RFC 3339 in UTC, with as many decimals as it takes: comparable without the Z.
    return stamp.rstrip("Z")
