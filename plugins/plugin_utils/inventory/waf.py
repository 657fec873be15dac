# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the role that judges requests, and what routes say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longshore.definition.edge import RouteRules
    from longshore.definition.stack import Stack


def variables(definition: Stack) -> dict[str, Any]:
    """``waf_*``; the policies of this stack, whether or not there are any."""
    whole = definition.load_balancer.waf
    rules = definition.text(whole.rules) if whole is not None and whole.enabled and whole.rules else ""
    return {"waf_stack": definition.name, "waf_policies": _policies(definition), "waf_rules": rules}


def members(definition: Stack) -> dict[str, list[str]]:
    """The groups of that role: where requests are judged, and where the file says that they are no more."""
    whole = definition.load_balancer.waf
    balancers = definition.load_balancers()
    judging = bool(_policies(definition))
    return {
        "waf": balancers if judging else [],
        "former_waf": balancers if not judging and whole is not None and not whole.enabled else [],
    }


def rules(definition: Stack, route: RouteRules, place: str) -> dict[str, Any]:
    """A route's ``waf`` as the load balancers' role takes it; ``place`` tells it from the stack's other routes."""
    from longshore.definition.waf import effective  # noqa: PLC0415 - as in the inventory plugin: it may be missing

    found = effective(definition.load_balancer.waf, route.waf)
    if found is None or getattr(route, "redirect", None) is not None:
        return {}
    # Routes without a word of their own share the stack's policy.
    policy = definition.name if route.waf is None else f"{definition.name}.{place}"
    return {"waf": {"policy": policy, "mode": found.mode, "on_failure": found.on_failure}}


def _policies(definition: Stack) -> dict[str, Any]:
    from longshore.definition.waf import effective  # noqa: PLC0415 - as above

    made = {}
    for place, route in places(definition):
        found = effective(definition.load_balancer.waf, route.waf)
        given = rules(definition, route, place)
        if found is not None and given:
            made[given["waf"]["policy"]] = {
                "paranoia": found.paranoia,
                "threshold": found.threshold,
                "exclude": [
                    {name: value for name, value in each.model_dump().items() if value} for each in found.exclude
                ],
            }
    return made


def places(definition: Stack) -> list[tuple[str, RouteRules]]:
    """Every route with its place, in the file's order: ``web.1``, ``static.1``."""
    found: list[tuple[str, RouteRules]] = [
        (f"{service.name}.{number}", route)
        for service in definition.services.values()
        for number, route in enumerate(service.routes, 1)
    ]
    return found + [(f"static.{number}", route) for number, route in enumerate(definition.load_balancer.routes, 1)]
