# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a command ends."""

from __future__ import annotations

from typing import NoReturn

from longshore.runs.exit_code import ExitCode


class Ended(SystemExit):
    """A command has ended with an exit code of ours. (A plain ``SystemExit(2)`` is a usage error of typer's.)"""


def end(code: ExitCode | int) -> NoReturn:
    """End the command."""
    raise Ended(int(code))
