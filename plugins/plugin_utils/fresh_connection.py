# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to the same server that shares nothing with those that are there."""

from __future__ import annotations

import copy
from typing import Any

# ssh takes an option's first value, and these arguments come first; Ansible names no path of its own when there is one.
_ALONE = "-o ControlPath=none -o ControlMaster=no"


def fresh(connection: Any) -> Any:
    """Another connection to the server of an action's ``connection``; where it goes by SSH, a new one for each command.

    One that is not by SSH is made anew where its plugin can do so.
    """
    twin = copy.copy(connection)
    twin.become = copy.copy(connection.become)
    twin._shell = copy.copy(connection._shell)
    if connection.transport == "ssh":
        twin._options = dict(connection._options)
        twin.set_option("ssh_args", f"{_ALONE} {connection.get_option('ssh_args') or ''}")
        # What the first one has worked out of its options.
        twin._connected = False
    else:
        twin.reset()
    return twin
