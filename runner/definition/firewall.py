# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall: what the file says of it."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from .base import INTEGER, TEXT, Flag, Model, Short, many, one
from .scalars import Duration, Texts, expand_range

if TYPE_CHECKING:
    from collections.abc import Iterator

# Stands in `from` for the containers of the server itself.
CONTAINERS = "containers"


def _port(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("must be a port such as 8080 or a range such as 8000-8010")
    expand_range(value)
    return value


Ports = Annotated[
    list[Annotated[str, Short(_port, TEXT, INTEGER, alone=True)]],
    Short(lambda value: value if isinstance(value, list) else [value], TEXT, INTEGER),
]


class FirewallRule(Model):
    """Who may reach what."""

    source: Texts = many(
        "Addresses, networks, names of servers or tags, or containers: those of the server itself. Default: everybody.",
        list,
        alias="from",
    )
    files: Texts = many("Files with more of them: addresses and networks, one a line; # begins a remark.", list)
    to: Texts = many("Names of servers or tags; default: all.", list)
    port: Ports = many("Ports and ranges such as 8000-8010; default: all.", list)
    protocol: Literal["tcp", "udp", "any"] | None = one(
        "tcp, udp or any; default: tcp where there is a port, else any.", None
    )

    @property
    def speaks(self) -> str:
        """The protocol, the default filled in."""
        return self.protocol or ("tcp" if self.port else "any")


class Firewall(Model):
    """What is let in to the servers beside what the stack itself needs; everything else is kept out."""

    enabled: Flag = one(
        "true: keeps out what is not let in. false: only tells other stacks of the servers what this one needs.", False
    )
    ssh: Texts = many("Who may log in by SSH: as `from`; default: everybody.", list)
    allow: list[FirewallRule] = many("Let in.", list)
    deny: list[FirewallRule] = many("Kept out, before all else.", list)
    longest_lease: Duration = one("The longest time that `longshore firewall lease` gives.", 14400.0, gt=0)
    log: Flag = one("The kernel's log tells what is kept out, five packets a second at most.", True)
    strict_source: Flag = one(
        "Drops what comes by another interface than answers to it would leave by. false for servers that are reached "
        "by ways of which answers take another.",
        True,
    )
    trusted_interfaces: Texts = many("Interfaces by which everything is let in, such as those of a VPN.", list)


def places(text: str) -> Iterator[tuple[int, str]]:
    """The addresses and networks of a file, each with its line's number, from 1."""
    for number, line in enumerate(text.splitlines(), 1):
        for word in re.split(r"[\s,;]+", line.partition("#")[0]):
            if word:
                yield number, word


def is_place(text: str) -> bool:
    """Whether ``text`` is an address or a network."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
