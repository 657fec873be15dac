# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual addresses → the interfaces of a server that can have them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


def virtual_addresses(
    links: Iterable[Mapping[str, Any]], addresses: Sequence[str], source: str, interface: str = ""
) -> dict[str, Any]:
    """Where the addresses go, and from which interface the servers speak to each other.

    ``links`` is what ``ip -json address`` tells. An address goes to ``interface`` when that is given, else to the
    first one with an address of the same network. Gives ``interface`` (that of ``source``) and ``addresses``: each
    with ``address``, ``prefix`` (the length for one host), ``interface``, and ``native``: of the family of ``source``.
    Raises when the server has no such interface, or doesn't have ``source``.
    """
    found = [
        (str(link["ifname"]), ipaddress.ip_interface(f"{each['local']}/{each['prefixlen']}"))
        for link in links
        for each in link.get("addr_info", [])
    ]
    if interface and interface not in {str(link["ifname"]) for link in links}:
        raise AnsibleFilterError(f"this server has no interface {interface}")
    own = ipaddress.ip_address(source)
    speaking = next((name for name, here in found if here.ip == own), None)
    if speaking is None:
        raise AnsibleFilterError(f"{source} is not an address of this server, so nothing can be told from it")
    placed = []
    for text in addresses:
        address = ipaddress.ip_address(text)
        # An address that is here now has its own interface too, with a network of one host.
        near = (name for name, here in found if address in here.network and here.network.num_addresses > 1)
        chosen = interface or next(near, "")
        if not chosen:
            raise AnsibleFilterError(
                f"the virtual address {address} is in no network of this server's interfaces. "
                "Give one of those networks, or name the interface that is to have it"
            )
        placed.append(
            {
                "address": str(address),
                "prefix": address.max_prefixlen,
                "interface": chosen,
                "native": address.version == own.version,
            }
        )
    return {"interface": speaking, "addresses": placed}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"virtual_addresses": virtual_addresses}
