# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's name and time zone.

Private to the collection.
"""

from __future__ import annotations

import os
import re
import socket

from .host_change import Change, HostError
from .host_files import plan_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .host_change import Host

ZONES = "/usr/share/zoneinfo"


def plan_hostname(wanted: str, host: Host) -> Iterator[Change]:
    """Changes that give the server its name, now and after a restart."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?", wanted):
        raise HostError(f"{wanted!r} is not a host name: up to 64 of a-z, 0-9, '.' and '-'")
    yield from _plan_text("/etc/hostname", f"{wanted}\n", host)
    current = socket.gethostname()
    if current != wanted:
        yield Change(f"host name {wanted}", lambda: socket.sethostname(wanted), f"{current}\n", f"{wanted}\n")


def plan_timezone(wanted: str, host: Host) -> Iterator[Change]:
    """Changes that set the time zone, ``Europe/Berlin`` or the like; it needs the package tzdata."""
    zone = os.path.join(ZONES, wanted)
    if not os.path.isfile(zone) and not host.tentative:
        raise HostError(f"there is no time zone {wanted!r} in {ZONES}")
    current = os.path.realpath("/etc/localtime")
    if current != os.path.realpath(zone) or not os.path.islink("/etc/localtime"):
        yield Change(f"time zone {wanted}", lambda: _link(zone), f"{current}\n", f"{zone}\n", ["timezone"])
    if os.path.exists("/etc/timezone"):
        yield from _plan_text("/etc/timezone", f"{wanted}\n", host)


def _plan_text(path: str, content: str, host: Host) -> Iterator[Change]:
    file = {"path": path, "content": content, "mode": "0644", "owner": "root", "group": "root", "triggers": []}
    yield from plan_files([file], host)


def _link(zone: str) -> None:
    beside = "/etc/.localtime.longshore"
    if os.path.lexists(beside):
        os.unlink(beside)
    os.symlink(zone, beside)
    os.replace(beside, "/etc/localtime")
