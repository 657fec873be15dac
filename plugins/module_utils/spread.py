# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether tasks have to be spread anew: Swarm moves tasks away from a server that is lost, and never back.

Private to the collection. Pure functions over the engine's objects.
"""

from __future__ import annotations

import calendar
import time
from collections import Counter
from typing import NamedTuple

from ansible_collections.longshore.stack.plugins.module_utils import placement
from ansible_collections.longshore.stack.plugins.module_utils.spec_diff import same_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State

# The engine's exit code of containers that it finds ended when it starts.
DIED_WITH_ENGINE = 255
# What an engine tells of a task is in the Swarm's store within a fraction of a second; seconds.
RETOLD = 3


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
    moved = {task.get("NodeID") for task in tasks if _moved_away(task, live)}
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


def _moved_away(task: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether the task tells that its server was lost, or drained, and may run tasks again since the service was last
    changed. A task that the change itself replaced may end as late; it tells nothing."""
    if task["DesiredState"] == "running":
        return False
    changed, told = _time(live["UpdatedAt"]), _time(task["UpdatedAt"])
    if told <= changed:
        return False
    status = task["Status"]
    ended = _time(status.get("Timestamp", ""))
    if ended <= changed and _seconds(told) - _seconds(ended) > RETOLD:
        # A server that comes back tells again how all of its tasks had ended.
        return True
    if (status.get("ContainerStatus") or {}).get("ExitCode") == DIED_WITH_ENGINE:
        return True
    ended_well = task["DesiredState"] == "shutdown" and status["State"] not in ("failed", "rejected")
    return ended_well and same_task(task.get("Spec"), live["Spec"]["TaskTemplate"])


def _seconds(stamp: str) -> int:
    return calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")) if stamp else 0


def _time(stamp: str) -> str:
    # RFC 3339 in UTC, with as many decimals as it takes: comparable without the Z.
    return stamp.rstrip("Z")
