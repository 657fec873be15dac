# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes servers harder to take over."""

from __future__ import annotations

from typing import Any

from .base import Flag, Model, many, one
from .scalars import Texts, matching


class Hardening(Model):
    """Measures on every server; each has a switch, since each may break something."""

    enabled: Flag = one("Harden the servers.", True)
    kernel: Flag = one("Kernel settings, below those of sysctl; breaks tracing without root, and SysRq.", True)
    network: Flag = one("No redirects and no source routing; breaks networks whose routers rely on redirects.", True)
    core_dumps: Flag = one("No memory of crashed processes on disk; breaks the analysis of crashes.", True)
    modules: Texts | None = one(
        "Kernel modules that are never loaded; default: those of rare protocols and disks.", None
    )
    shared_memory: Flag = one("Nothing is executed from /dev/shm; breaks programs that compile code there.", True)
    umask: str = one(
        "What users' new files lack of rights; breaks people who share files.",
        "027",
        **matching(r"^0?[0-7]{3}$", "must be three octal digits such as 027"),
    )
    cron: Flag = one("Only root reads what cron runs.", True)
    sudo_log: Flag = one("What is run with sudo is kept.", True)
    audit: Flag = one("The kernel records who changes accounts, keys, units and settings.", True)
    audit_paths: Texts = many("Further paths whose changes are recorded.", list)


def hardened(value: Any) -> Any:
    """true and false as a mapping."""
    return {"enabled": value} if isinstance(value, bool) else value
