# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases: doors that close by themselves, as elements of nftables' sets. Private to the collection.

The kernel ends them, so nothing has to run for that. New rules leave them; a restart of the server ends them all.
"""

from __future__ import annotations

import ipaddress
import json

from .firewall_render import LEASES, TABLE
from .host_change import HostError, attempt, last_lines, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Stands for everybody.
ANYBODY = "any"


class Lease:
    """Who (an address, or ``any``) may reach which port, by which protocol. Raises ``ValueError`` for what can't be."""

    def __init__(self, source: str, port: int, protocol: str) -> None:
        if not 1 <= port <= 65535:
            raise ValueError(f"port: {port} is not one from 1 to 65535")
        self.port, self.protocol = port, protocol
        if source == ANYBODY:
            self.source, self.set = ANYBODY, LEASES[0]
            return
        try:
            address = ipaddress.ip_address(source)
        except ValueError as error:
            raise ValueError(f"from: {source[:64]!r} is not an address (a lease is for one, or for any)") from error
        self.source, self.set = str(address), LEASES[address.version]

    @property
    def element(self) -> str:
        """As nft writes it."""
        place = f"{self.protocol} . {self.port}"
        return place if self.source == ANYBODY else f"{self.source} . {place}"

    def matches(self, known: dict[str, Any]) -> bool:
        """Whether ``known``, one of ``listed``, is this one."""
        return (known["from"], known["protocol"], known["port"]) == (self.source, self.protocol, self.port)


def listed() -> list[dict[str, Any]]:
    """The leases of this server: ``from``, ``protocol``, ``port`` and the ``seconds`` left. Raises ``HostError``."""
    found = []
    for name in LEASES.values():
        code, out, error = attempt(["nft", "-j", "list", "set", *TABLE.split(), name])
        if code != 0:
            raise HostError(
                "this server has no firewall of Longshore's in force, so there is nothing to open"
                if "No such file" in error or "not installed" in error
                else f"the leases can't be listed: {last_lines(error)}"
            )
        found += parsed(out)
    return sorted(found, key=lambda lease: (lease["port"], lease["protocol"], lease["from"]))


def parsed(text: str) -> list[dict[str, Any]]:
    """The leases in one set, as ``nft -j list set`` shows it."""
    sets = [entry["set"] for entry in json.loads(text)["nftables"] if "set" in entry]
    found = []
    for entry in (element["elem"] for each in sets for element in each.get("elem") or ()):
        *source, protocol, port = entry["val"]["concat"]
        who = str(source[0]) if source else ANYBODY
        found.append({"from": who, "protocol": protocol, "port": int(port), "seconds": int(entry.get("expires") or 0)})
    return found


def give(lease: Lease, seconds: int) -> None:
    """Open the door for so many seconds from now on, whether it is open or not."""
    element = f"element {TABLE} {lease.set}"
    lines = [
        f"add {element} {{ {lease.element} timeout {seconds}s }}",
        # What is there keeps its time when it is added again.
        f"delete {element} {{ {lease.element} }}",
        f"add {element} {{ {lease.element} timeout {seconds}s }}",
    ]
    run(["nft", "-f", "-"], given="\n".join([*lines, ""]))


def end(lease: Lease) -> None:
    """Close it. A connection that is there goes on."""
    run(["nft", "delete", "element", *TABLE.split(), lease.set, f"{{ {lease.element} }}"])
