# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the role ``keepalived``, and which of its units end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longshore.definition.stack import Stack


def servers(definition: Stack) -> list[str]:
    """The load balancers that share virtual addresses."""
    return definition.load_balancers() if definition.load_balancer.virtual_ip else []


def of_server(definition: Stack, name: str) -> dict[str, Any]:
    """What one load balancer shares with the others; of several that could take the addresses, the first one does."""
    result: dict[str, Any] = {"keepalived_name": definition.name}
    sharing = servers(definition)
    if name not in sharing:
        return result
    balancer = definition.load_balancer
    return result | {
        "keepalived_addresses": [str(address) for address in balancer.virtual_ip],
        "keepalived_address": definition.servers[name].private,
        "keepalived_peers": [definition.servers[other].private for other in sharing if other != name],
        "keepalived_priority": max(1, 200 - sharing.index(name)),
        "keepalived_interface": balancer.virtual_ip_interface or "",
        "keepalived_check_port": balancer.http_port,
    }


def former_units(definition: Stack, name: str) -> list[dict[str, Any]]:
    """What holds the stack's addresses on a server that is to have them no more."""
    unit = f"longshore-vip-{definition.name}.service"
    config = f"/etc/longshore/{definition.name}/keepalived.conf"
    kept = [unit] if name in servers(definition) else []
    return [{"pattern": "longshore-vip-*.service", "containing": f" {config} ", "keep": kept, "files": [config]}]
