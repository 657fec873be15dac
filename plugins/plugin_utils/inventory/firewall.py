# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the role ``firewall``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template

if TYPE_CHECKING:
    from longshore.definition.stack import Stack


def of_stack(definition: Stack) -> dict[str, Any]:
    """What is the same on every server."""
    result: dict[str, Any] = {
        "firewall_stack": definition.name,
        "firewall_run": trust_as_template("{{ longshore_run }}"),
    }
    wanted = definition.firewall
    if wanted is None:
        return result
    return {
        **result,
        "firewall_enabled": wanted.enabled,
        "firewall_log": wanted.log,
        "firewall_strict_source": wanted.strict_source,
        "firewall_trusted_interfaces": wanted.trusted_interfaces,
    }


def of_server(definition: Stack, name: str) -> dict[str, Any]:
    """Whom a server lets in and keeps out, and where its piece of the firewall is, so that it can go when unwanted."""
    told = {"server_paths_told": [f"/etc/longshore/{definition.name}/firewall.json"]}
    if definition.firewall is None:
        return told
    return {**told, **{f"firewall_{kind}": rules for kind, rules in definition.firewall_rules(name).items()}}
