# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that run although their file was replaced since, as by a newer package.

Private to the collection.
"""

from __future__ import annotations

import os

from .host_change import attempt

# What the kernel writes behind the path of a file that is not there any more: proc(5), /proc/pid/exe.
GONE = " (deleted)"


def replaced(pid: str) -> bool:
    """Whether a process (empty or "0": none) runs a program that is not the one of its file any more."""
    try:
        return pid.isdigit() and pid != "0" and os.readlink(f"/proc/{pid}/exe").endswith(GONE)
    except OSError:
        return False


def outdated(unit: str) -> bool:
    """The same of a unit's main process."""
    return replaced(attempt(["systemctl", "show", "--property=MainPID", "--value", unit])[1].strip())
