# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that move between load balancers."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .context import Context


def check(context: Context) -> None:
    """Check ``load_balancer.virtual_ip``, where all servers are known."""
    stack = context.stack
    addresses = [str(address) for address in stack.load_balancer.virtual_ip]
    if not addresses or not context.whole("servers"):
        return
    taken = {
        str(address): name
        for name, server in stack.servers.items()
        for address in (server.address, server.private_address, server.public_address, server.public_address6)
        if address is not None
    }
    for index, address in enumerate(addresses):
        here = ("load_balancer", "virtual_ip", index)
        if address in taken:
            context.complain(
                here, f"is an address of {taken[address]}", "a virtual address is a further one of the same network"
            )
        elif address in addresses[:index]:
            context.complain(here, "is there twice")
    balancers = stack.load_balancers()
    if not context.whole("services") or not balancers:
        return
    place = ("load_balancer", "virtual_ip")
    if len(balancers) == 1:
        context.notice(place, f"only {balancers[0]} can have it, so nothing takes over", "tag another server lb")
    families = {name: _family(stack.servers[name].private) for name in balancers}
    if None in families.values():
        name = next(each for each, family in families.items() if family is None)
        context.complain(place, f"load balancers tell each other by address, and {name} has a name", "write an address")
    elif len(set(families.values())) > 1:
        context.complain(
            place, "the load balancers' private addresses are IPv4 and IPv6", "give all of them one of a kind"
        )


def _family(address: str) -> int | None:
    try:
        return ip_address(address).version
    except ValueError:
        return None
