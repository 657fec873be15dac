# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every lab has addresses of its own, and every host its place."""

from __future__ import annotations

import ipaddress
import itertools

import pytest
from lab.addresses import Plan, free_index, server_number


def test_the_lab_named_lab_has_its_documented_addresses() -> None:
    plan = Plan(0)
    assert plan.public.at(server_number("app1")).v4 == "198.51.100.11"
    assert plan.public.at(server_number("app12")).v6 == "fd77:1::22"
    assert plan.private.at(server_number("app3")).v4 == "10.77.0.13"
    assert plan.private.at(201).v6 == "fd77:2::201"


def test_no_two_networks_of_any_two_labs_overlap() -> None:
    plans = [Plan(index) for index in range(255)]
    for family in (ipaddress.IPv4Network, ipaddress.IPv6Network):
        attribute = "v4" if family is ipaddress.IPv4Network else "v6"
        networks = sorted(
            family(getattr(subnet, attribute)) for plan in plans for subnet in (plan.public, plan.private)
        )
        assert not any(one.overlaps(other) for one, other in itertools.pairwise(networks))


@pytest.mark.parametrize("name", ["app0", "app101", "app", "db1", "app-1", "app1x"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a server's name"):
        server_number(name)


def test_a_new_lab_takes_the_first_free_place() -> None:
    assert free_index("lab", {0, 1}) == 0
    assert free_index("other", set()) == 1
    assert free_index("other", {0, 1, 3}) == 2
    with pytest.raises(ValueError, match="254"):
        free_index("other", set(range(255)))
