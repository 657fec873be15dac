# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much room an instance's data have on their file system."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Less than both is told: a tenth, as monitoring commonly warns at, and of a large disk what a busy day may write.
SHARE, BYTES = 0.1, 20 << 30


def room(directory: str) -> dict[str, int]:
    """Bytes that are ``free`` for who is not root, and of the whole ``disk``; empty when there is no such directory."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return {}
    return {"free": found.f_bavail * found.f_frsize, "disk": found.f_blocks * found.f_frsize}


def notices(instances: Mapping[str, Mapping[str, Any]], member: str) -> list[str]:
    """One for each instance whose disk is nearly full."""
    return [
        f"{name}: the disk of {member} is nearly full: {each['free'] >> 20} MB of {each['disk'] >> 20} MB are left. "
        "A database without room takes no writes"
        for name, each in instances.items()
        if "free" in each and each["free"] < min(SHARE * each["disk"], BYTES)
    ]
