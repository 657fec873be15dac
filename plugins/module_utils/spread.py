# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether tasks have to be spread anew: Swarm moves tasks away from a server that is lost or drained, and never back.

Private to the collection. Pure functions over the engine's objects. Swarm may have no room for a service on a server,
or good reasons of its own; so how uneven tasks were left is noted at the service, in a label, and not tried again
while these very tasks run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import NamedTuple

from ansible_collections.longshore.stack.plugins.module_utils import placement
from ansible_collections.longshore.stack.plugins.module_utils.service_spec import restarts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

LABEL = "longshore.spread"


class Uneven(NamedTuple):
    """``tasks`` by node identifier; the number of replicas to go ``through``, so that Swarm itself spreads them: new
    tasks go to the server with the fewest, and from the one with the most they are taken; the ``note`` of it."""

    tasks: dict[str, int]
    through: int
    note: str


def uneven(
    tasks: Iterable[Mapping[str, Any]], nodes: Iterable[Mapping[str, Any]], spec: Mapping[str, Any]
) -> Uneven | None:
    """How a service's ``tasks`` stand, when a server that it may run on has none of them while another one has several.
    ``spec`` is the wanted one."""
    if not restarts(spec["TaskTemplate"]):
        # What is done may not be done again.
        return None
    meant = [task for task in tasks if task["DesiredState"] == "running" and task.get("NodeID")]
    counted = Counter(task["NodeID"] for task in meant)
    eligible = placement.eligible(nodes, spec)
    empty = [node for node in eligible if not counted[node["ID"]]]
    if not empty or max(counted.values(), default=0) < 2:
        return None
    wanted = int((spec["Mode"].get("Replicated") or {}).get("Replicas", 0))
    number = max(1, wanted // len(eligible)) * len(empty)
    order = (spec.get("UpdateConfig") or {}).get("Order")
    return Uneven(
        {node["ID"]: counted[node["ID"]] for node in eligible},
        wanted + number if order == "start-first" else max(1, wanted - number),
        hashlib.sha256(" ".join(sorted(task["ID"] for task in meant)).encode()).hexdigest()[:16],
    )


def noted(spec: Mapping[str, Any], found: Uneven) -> bool:
    """Whether the service of the live ``spec`` was left just so."""
    return bool((spec.get("Labels") or {}).get(LABEL) == found.note)


def with_note(spec: Mapping[str, Any], found: Uneven) -> dict[str, Any]:
    """``spec`` of a service that is left just so."""
    return {**spec, "Labels": {**(spec.get("Labels") or {}), LABEL: found.note}}
