# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of a run that nobody looks after any more, found by the run's id in their environment (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from longshore.runs.environment import MARKER
from longshore.runs.supervisor import shared_connections

_PATIENCE = 5.0


def find(run_id: str) -> list[int]:
    """The processes that were started with the run's id in their environment.

    Without this one, and without SSH's shared connections, which other runs may be using.
    """
    wanted = f"{MARKER}={run_id}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0") and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return sorted(set(found) - shared_connections()) if found else []


def end(run_id: str) -> list[int]:
    """Kill them, until none is left or ``_PATIENCE`` seconds are over; gives those that are left."""
    until = time.monotonic() + _PATIENCE
    while (left := find(run_id)) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    return left
