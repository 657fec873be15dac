# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exit codes."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of the command line (docs/architecture.md)."""

    DONE = 0
    FAILED = 1
    CHANGES = 2
    BAD_INPUT = 3
    DEGRADED = 4
    LOCKED = 5
    CANCELLED = 130
