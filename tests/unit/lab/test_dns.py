# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers get resolvers that exist for them too."""

from __future__ import annotations

from lab.dns import nameservers


def test_local_resolvers_are_left_out() -> None:
    addresses = ("127.0.0.53", "::1", "fe80::1%eth0", "192.0.2.53")
    text = "# here\nsearch example\n" + "".join(f"nameserver {address}\n" for address in addresses)
    assert nameservers(text) == ["192.0.2.53"]


def test_nonsense_is_no_resolver() -> None:
    assert nameservers("nameserver\nnameserver dns.example\n") == []
