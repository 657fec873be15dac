# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that this server has begun before it was protected. Private to the collection.

A server without Docker tracks no connections until its first rules ask for their state. The next packet of one that was
there before would then look like the first one of somebody who wants in: a replica would wait for its primary until one
of them gives up. So these are let in by their addresses and ports, until the kernel knows them too.
"""

from __future__ import annotations

import ipaddress

from .firewall_render import KNOWN, TABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
# Longer than a connection may be silent without keepalive (Linux's own begins after two hours).
SECONDS = 3 * 3600
_ESTABLISHED, _LISTENING = "01", "0A"


def elements(tables: Iterable[str]) -> str:
    """Lines for nft that let the connections in; ``tables`` are the texts of ``/proc/net/tcp`` and its like."""
    return "".join(
        f"add element {TABLE} {KNOWN[version]} {{ {element} timeout {SECONDS}s }}\n"
        for version, element in sorted(set(_begun([line for table in tables for line in table.splitlines()])))
    )


def here() -> str:
    """The same of this server, now."""
    texts = []
    for path in TABLES:
        try:
            with open(path, encoding="ascii") as file:
                texts.append(file.read())
        except FileNotFoundError:
            continue
    return elements(texts)


def _begun(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    rows = [words[1:4] for words in (line.split() for line in lines) if len(words) > 3 and words[0].endswith(":")]
    served = {local.rpartition(":")[2] for local, _remote, state in rows if state == _LISTENING}
    for local, remote, state in rows:
        port, (address, _sign, theirs) = local.rpartition(":")[2], remote.rpartition(":")
        if state != _ESTABLISHED or port in served:
            continue
        place = _address(address)
        if not place.is_loopback:
            yield place.version, f"{place} . {int(theirs, 16)} . {int(port, 16)}"


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as the kernel writes it there: words of four bytes, each in the order of the machine (x86, ARM)."""
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address
