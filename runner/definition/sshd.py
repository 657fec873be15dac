# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How strict the SSH servers are."""

from __future__ import annotations

from typing import Literal

from .base import Flag, Model, many, one
from .scalars import Duration, Pairs


class Sshd(Model):
    """The SSH servers' settings. Each can be turned off by itself; what breaks by it is said."""

    enabled: Flag = one("false: as they were before.", True)
    keys_only: Flag = one("Nobody logs in with a password; who has no key is locked out.", True)
    modern_algorithms: Flag = one(
        "Only algorithms without a known weakness; clients older than OpenSSH 7.2 (2016) can't connect.", True
    )
    root_login: Literal["yes", "prohibit-password", "no"] = one(
        "root's logins; no: a run needs another user.", "prohibit-password"
    )
    forwarding: Literal["yes", "local", "no"] = one(
        "Tunnels through the server; no: it can't be a gateway, and ssh -L ends.", "local"
    )
    agent_forwarding: Flag = one("Whether a client's agent can be used on the server (ssh -A).", False)
    x11_forwarding: Flag = one("Whether windows of programs on the server show on the client (ssh -X).", False)
    idle: Duration = one("A client that has not answered for this time is gone; 0: never.", 300.0)
    settings: Pairs = many("Further settings of sshd_config.", dict)
