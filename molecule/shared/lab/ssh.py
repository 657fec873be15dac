# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real SSH to the lab's hosts, with the lab's key and the lab's known hosts only."""

from __future__ import annotations

import shlex

from . import hosts
from .report import LabError
from .state import Lab


def options(lab: Lab) -> list[str]:
    """Give ssh's options for the lab: no other key, no other known host, no question."""
    return [
        "-F",
        "none",
        "-i",
        str(lab.key),
        "-o",
        f"UserKnownHostsFile={lab.known_hosts}",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "LogLevel=ERROR",
        # A server whose power is taken says nothing any more.
        "-o",
        "ConnectTimeout=10",
        "-o",
        "ServerAliveInterval=5",
    ]


def command(lab: Lab, host: str, words: list[str]) -> list[str]:
    """Give the command that logs in to a host; `words` run there as they are, none means a shell."""
    try:
        address = hosts.public(lab, host).v4
    except ValueError as error:
        raise LabError(str(error)) from None
    remote = [shlex.join(words) if len(words) > 1 else words[0]] if words else []
    return ["ssh", *options(lab), f"root@{address}", *remote]
