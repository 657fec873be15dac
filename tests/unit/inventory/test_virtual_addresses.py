# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which interface can have a virtual address."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.longshore.stack.plugins.filter.virtual_addresses import virtual_addresses

LINKS: list[dict[str, Any]] = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]},
    {
        "ifname": "eth0",
        "addr_info": [
            # Held at the moment: it says nothing of a network.
            {"local": "198.51.100.100", "prefixlen": 32},
            {"local": "198.51.100.11", "prefixlen": 24},
            {"local": "2001:db8::11", "prefixlen": 64},
        ],
    },
    {"ifname": "eth1", "addr_info": [{"local": "10.77.0.11", "prefixlen": 24}]},
    {"ifname": "dummy0"},
]


def test_each_goes_where_its_network_is() -> None:
    found = virtual_addresses(LINKS, ["198.51.100.100", "2001:db8::100"], "10.77.0.11")
    assert found == {
        "interface": "eth1",
        "addresses": [
            {"address": "198.51.100.100", "prefix": 32, "interface": "eth0", "native": True},
            {"address": "2001:db8::100", "prefix": 128, "interface": "eth0", "native": False},
        ],
    }


def test_an_interface_that_is_named_has_them() -> None:
    found = virtual_addresses(LINKS, ["203.0.113.7"], "10.77.0.11", "dummy0")
    assert found["addresses"][0]["interface"] == "dummy0"


@pytest.mark.parametrize(
    ("addresses", "source", "interface", "message"),
    [
        (["203.0.113.7"], "10.77.0.11", "", "203.0.113.7 is in no network of this server's interfaces"),
        (["198.51.100.100"], "10.77.0.12", "", "10.77.0.12 is not an address of this server"),
        (["198.51.100.100"], "10.77.0.11", "eth7", "no interface eth7"),
    ],
)
def test_what_cannot_be_is_refused(addresses: list[str], source: str, interface: str, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        virtual_addresses(LINKS, addresses, source, interface)
