# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to run a command on a server without Ansible: for logs, exec and whatever streams."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore.definition import Connection


# A dead server is given up on after ten seconds, one that dies later after thirty.
_OPTIONS = ("BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=6", "LogLevel=ERROR")


def argv(connection: Connection, command: Sequence[str], *, terminal: bool = False, root: bool = True) -> list[str]:
    """The ``ssh`` command line that runs ``command`` (words, quoted here) on a server.

    ``terminal`` asks for one there. ``root`` goes through ``sudo`` where the user is another.
    """
    words = ["sudo", "-n", "--", *command] if root and connection.user != "root" else list(command)
    options = [word for option in _OPTIONS for word in ("-o", option)]
    key = ["-i", str(connection.key)] if connection.key is not None else []
    return [
        "ssh",
        "-tt" if terminal else "-T",
        *options,
        *connection.ssh_options(),
        *key,
        *("-p", str(connection.port), "-l", connection.user),
        "--",
        connection.address,
        shlex.join(words),
    ]
