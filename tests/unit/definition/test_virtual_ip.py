# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that load balancers share."""

from __future__ import annotations

from pathlib import Path

import pytest
from longshore.definition import DefinitionError, Stack
from longshore.definition.load import load_text


def load(servers: str) -> Stack:
    """A stack with routes and a virtual address on these servers."""
    text = f"""plugin: longshore.stack.stack
name: shop
servers: {{{servers}}}
services: {{web: {{image: a, routes: [{{host: shop.example, port: 80}}]}}}}
load_balancer: {{virtual_ip: 198.51.100.100}}
"""
    return load_text(text.encode(), Path("/srv/none/shop.yml"))


def test_one_balancer_alone_is_noticed() -> None:
    one = load("a: {address: 198.51.100.11, tags: [lb]}, b: {address: 198.51.100.12, tags: [app]}")
    assert [notice.path for notice in one.notices] == ["load_balancer.virtual_ip"]
    two = load("a: {address: 198.51.100.11, tags: [lb]}, b: {address: 198.51.100.12, tags: [lb]}")
    assert not two.notices


@pytest.mark.parametrize(
    ("servers", "message"),
    [
        ("a: {address: 198.51.100.11, tags: [lb]}, b: {address: b.example, tags: [lb]}", "b has a name"),
        (
            "a: {address: 198.51.100.11, tags: [lb]}, b: {address: 'fd00::1', tags: [lb]}",
            "the load balancers' private addresses are IPv4 and IPv6",
        ),
    ],
)
def test_balancers_that_cannot_tell_each_other_are_refused(servers: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        load(servers)
