# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Ansible reaches a server: everything that it needs, so that no ``ansible.cfg`` is."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longshore.definition import Server

# One connection per server serves the whole run; a dead server is given up on after seconds, not minutes.
_SSH_ARGS = "-o ControlMaster=auto -o ControlPersist=10m -o ServerAliveInterval=5 -o ServerAliveCountMax=6"
CONNECT_TIMEOUT = 10


def variables(server: Server) -> dict[str, Any]:
    """The ``ansible_*`` variables of one server."""
    connection = server.connection()
    result: dict[str, Any] = {
        "ansible_host": connection.address,
        "ansible_port": connection.port,
        "ansible_user": connection.user,
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_pipelining": True,
        "ansible_ssh_args": _SSH_ARGS,
        "ansible_ssh_common_args": shlex.join(connection.ssh_options()),
        "ansible_ssh_timeout": CONNECT_TIMEOUT,
    }
    if connection.user != "root":
        result["ansible_become"] = True
    if connection.key is not None:
        result["ansible_ssh_private_key_file"] = str(connection.key)
    return result
