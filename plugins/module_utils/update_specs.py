# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's spec as Swarm is given it at the single steps of an update; only the last one is the spec itself.

Private to the collection. Pure functions.
"""

from __future__ import annotations

from copy import deepcopy

from ansible_collections.longshore.stack.plugins.module_utils.service_spec import SECOND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# If nobody lets the rest through (the run died), Swarm goes on by itself, one batch after so much more; seconds.
GATE_MARGIN = 30.0


def gated(spec: Mapping[str, Any], wanted: int, monitor: float) -> dict[str, Any]:
    """``spec`` with an update that halts after its first batch, which leaves at least one old task."""
    result = deepcopy(dict(spec))
    parallelism = result["UpdateConfig"].get("Parallelism") or wanted
    result["UpdateConfig"]["Parallelism"] = min(parallelism, wanted - 1)
    result["UpdateConfig"]["Delay"] = round((monitor + GATE_MARGIN) * SECOND)
    if result["Mode"].get("Replicated", {}).get("Replicas") == 1:
        result["Mode"] = {"Replicated": {"Replicas": 2}}
    return result


def renewed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """``spec`` as another one: Swarm goes on waiting in an update whose spec it is given again unchanged."""
    result = deepcopy(dict(spec))
    update = result.setdefault("UpdateConfig", {})
    update["Delay"] = (update.get("Delay") or 0) + 1
    return result


def with_replicas(spec: Mapping[str, Any], number: int) -> dict[str, Any]:
    """``spec`` with so many replicas."""
    result = deepcopy(dict(spec))
    result["Mode"] = {"Replicated": {"Replicas": number}}
    return result


def hurried(spec: Mapping[str, Any]) -> dict[str, Any]:
    """``spec`` with an update that loses no time and doesn't halt: the version before is known to work."""
    result = deepcopy(dict(spec))
    update = result.setdefault("UpdateConfig", {})
    update.update(Delay=0, FailureAction="continue")
    if update.get("Order") == "start-first":
        update["Parallelism"] = 0
    return result
