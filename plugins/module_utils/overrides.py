# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator set by command and a deploy keeps: the number of replicas, stopped, restarts.

Private to the collection. Pure functions over portable specs. The choice lives in labels of the service:
``longshore.scale`` (the number), ``longshore.scale.of`` (the stack file's number at that time) and
``longshore.stopped``. It holds while the stack file still says the same number.
"""

from __future__ import annotations

import re
from copy import deepcopy

from ansible_collections.longshore.stack.plugins.module_utils import spread
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_slots import fitting
from ansible_collections.longshore.stack.plugins.module_utils.object_ids import stripped
from ansible_collections.longshore.stack.plugins.module_utils.spec_diff import same_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SCALE, SCALE_OF, STOPPED, FILE = (
    "longshore.scale",
    "longshore.scale.of",
    "longshore.stopped",
    "longshore.replicas",
)
# No node can have it, since a label's value is set by us alone: so a stopped global service has no tasks.
_NOWHERE = "node.labels.longshore.stopped==nowhere"


def carried(spec: Mapping[str, Any], live: Mapping[str, Any] | None) -> dict[str, Any]:
    """``spec`` as the file wants it, with what the ``live`` service (portable) has to keep."""
    result = deepcopy(dict(spec))
    if live is None:
        return result
    labels, kept = live.get("Labels") or {}, result["Labels"]
    if labels.get(SCALE) and labels.get(SCALE_OF) == kept[FILE]:
        kept[SCALE], kept[SCALE_OF] = labels[SCALE], labels[SCALE_OF]
    if labels.get(STOPPED):
        kept[STOPPED] = labels[STOPPED]
    apply_number(result)
    restarts = (live["TaskTemplate"] or {}).get("ForceUpdate") or 0
    result["TaskTemplate"]["ForceUpdate"] = restarts
    same_endpoint = stripped(live.get("EndpointSpec") or {}) == stripped(result["EndpointSpec"])
    if not same_endpoint and same_task(result["TaskTemplate"], live["TaskTemplate"]):
        # Swarm replaces the tasks for it without a trace in their spec; so that old and new can be told apart:
        result["TaskTemplate"]["ForceUpdate"] = restarts + 1
    return result


def plain(spec: Mapping[str, Any]) -> dict[str, Any]:
    """``spec`` without what operators set: as a release record keeps it."""
    result = deepcopy(dict(spec))
    for label in (SCALE, SCALE_OF, STOPPED, spread.LABEL):
        result["Labels"].pop(label, None)
    result["TaskTemplate"].pop("ForceUpdate", None)
    apply_number(result)
    return result


def apply_number(spec: dict[str, Any]) -> None:
    """Set the replicas (or a global service's placement) from the labels."""
    labels = spec["Labels"]
    stopped = bool(labels.get(STOPPED))
    if "Replicated" in spec["Mode"]:
        number = labels.get(SCALE) or labels.get(FILE) or "1"
        spec["Mode"] = {"Replicated": {"Replicas": 0 if stopped else int(number)}}
        return
    placement = spec["TaskTemplate"].setdefault("Placement", {}) or {}
    constraints = [one for one in placement.get("Constraints") or [] if one != _NOWHERE]
    placement["Constraints"] = [*constraints, _NOWHERE] if stopped else constraints
    spec["TaskTemplate"]["Placement"] = placement


def scaled(live: Mapping[str, Any], amount: str, edge: str = "") -> dict[str, Any]:
    """The live portable spec with ``amount`` replicas: a number, ``+n`` or ``-n``. Raises ``ValueError``.

    A service on the network ``edge`` gets no more than the load balancers have room for.
    """
    if "Replicated" not in live["Mode"]:
        raise ValueError("it is a global service: one task on each server that fits")
    match = re.fullmatch(r"([+-]?)(\d{1,5})", amount.strip())
    if not match:
        raise ValueError(f"{amount!r} is not a number of replicas: 5, +2 or -1")
    result = deepcopy(dict(live))
    labels = result["Labels"]
    file = labels.get(FILE) or str(live["Mode"]["Replicated"].get("Replicas", 1))
    now = int(labels.get(SCALE) or file)
    step = int(match.group(2))
    number = {"": step, "+": now + step, "-": now - step}[match.group(1)]
    if number < 1:
        raise ValueError(f"{number} replicas: at least 1 is needed; to have none, stop the service")
    if edge and edge in [network["Target"] for network in live["TaskTemplate"].get("Networks") or []]:
        update = live.get("UpdateConfig") or {}
        parallelism = update.get("Parallelism", 1) if update.get("Order") == "start-first" else None
        if number > (most := fitting(int(file), parallelism)):
            raise ValueError(
                f"{number} replicas: the load balancers have room for {most}, since the stack file says {file}; "
                "for more, raise replicas there and deploy"
            )
    labels[FILE] = file
    for label in (SCALE, SCALE_OF, STOPPED):
        labels.pop(label, None)
    if str(number) != file:
        labels[SCALE], labels[SCALE_OF] = str(number), file
    apply_number(result)
    return result


def stopped(live: Mapping[str, Any], stop: bool) -> dict[str, Any]:
    """The live portable spec, stopped or started again with the number it had."""
    result = deepcopy(dict(live))
    labels = result["Labels"]
    if "Replicated" in live["Mode"] and FILE not in labels:
        labels[FILE] = str(live["Mode"]["Replicated"].get("Replicas", 1))
    if stop:
        labels[STOPPED] = "true"
    else:
        labels.pop(STOPPED, None)
    apply_number(result)
    return result


def restarted(live: Mapping[str, Any]) -> dict[str, Any]:
    """The live portable spec, its tasks to be replaced one after the other."""
    result = deepcopy(dict(live))
    result["TaskTemplate"]["ForceUpdate"] = (result["TaskTemplate"].get("ForceUpdate") or 0) + 1
    # A run that was killed may have left another number.
    apply_number(result)
    return result
