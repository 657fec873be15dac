# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name resolution on servers: the machine's own resolvers, as Docker's embedded one cannot serve nested containers."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from .image import Files

SOURCES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def nameservers(text: str) -> list[str]:
    """Give the name servers in a resolv.conf that other hosts can reach too: no loopback, no link-local ones."""
    words = [line.split() for line in text.splitlines()]
    found = [parts[1] for parts in words if len(parts) > 1 and parts[0] == "nameserver"]
    return [each for each in found if usable(each)]


def usable(address: str) -> bool:
    """Tell whether a name server's address means the same on another host."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_loopback or parsed.is_link_local)


def resolver_files() -> Files:
    """Give the resolv.conf for servers; nothing where the machine has only a local resolver."""
    for source in SOURCES:
        if source.exists() and (found := nameservers(source.read_text())):
            return {"etc/lab-resolv.conf": "".join(f"nameserver {each}\n" for each in found).encode()}
    return {}
