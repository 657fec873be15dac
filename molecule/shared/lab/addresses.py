# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address plan: every lab has two networks of its own, and every host its place in them."""

from __future__ import annotations

import dataclasses
import ipaddress

MOST_SERVERS = 100
MOST_LABS = 254


@dataclasses.dataclass(frozen=True)
class Address:
    """One place in one network: IPv4 and IPv6 without prefix lengths."""

    v4: str
    v6: str


@dataclasses.dataclass(frozen=True)
class Subnet:
    """One network of a lab; `v4` and `v6` in CIDR notation."""

    v4: str
    v6: str

    def at(self, number: int) -> Address:
        """Give the address with the host part `number` (1 to 254): .11 and ::11, the same digits in both."""
        v4 = ipaddress.IPv4Network(self.v4)[number]
        v6 = ipaddress.IPv6Network(self.v6)[int(str(number), 16)]
        return Address(str(v4), str(v6))

    @property
    def gateway(self) -> Address:
        """The machine's own address in the network."""
        return self.at(1)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The addresses of one lab; `index` is 0 for the lab named `lab`, else 1 to 254."""

    index: int

    @property
    def public(self) -> Subnet:
        """The network that the client shares with the servers."""
        if self.index == 0:
            return Subnet("198.51.100.0/24", "fd77:1::/64")
        return Subnet(f"198.18.{self.index}.0/24", f"fd77:{self.index:x}:1::/64")

    @property
    def private(self) -> Subnet:
        """The network between the servers."""
        if self.index == 0:
            return Subnet("10.77.0.0/24", "fd77:2::/64")
        return Subnet(f"10.77.{self.index}.0/24", f"fd77:{self.index:x}:2::/64")


SERVER_BASE = 10
CLIENT = 200
GIT = 201
MIRROR = 202


def server_number(name: str) -> int:
    """Give the host part of a server's addresses: app1 is 11, app12 is 22."""
    digits = name.removeprefix("app")
    if not name.startswith("app") or not digits.isdecimal() or not 1 <= int(digits) <= MOST_SERVERS:
        raise ValueError(f"{name!r} is not a server's name (app1 to app{MOST_SERVERS})")
    return SERVER_BASE + int(digits)


def free_index(name: str, taken: set[int]) -> int:
    """Choose the index of a new lab: 0 belongs to the lab `lab`, every other gets the first free one from 1."""
    if name == "lab":
        return 0
    for index in range(1, MOST_LABS + 1):
        if index not in taken:
            return index
    raise ValueError("no free addresses: 254 labs exist already")
