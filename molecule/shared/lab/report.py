# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab says while it works: steps with their times, on standard error."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence


class LabError(Exception):
    """Something the user has to know, in one or a few lines."""


def say(text: str) -> None:
    """Write one line to standard error, whole even when several threads speak."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextlib.contextmanager
def step(what: str, *, quiet_below: float = 0.0) -> Iterator[None]:
    """Report how long `what` took, in seconds; nothing if it took less than `quiet_below` seconds."""
    begun = time.monotonic()
    yield
    took = time.monotonic() - begun
    if took >= quiet_below:
        say(f"{took:7.1f} s  {what}")


def run(command: Sequence[str], *, env: dict[str, str] | None = None, data: str | None = None) -> str:
    """Run a program and give its standard output; its last lines of output are the error if it fails."""
    done = subprocess.run(command, env=env, input=data, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise LabError(f"`{' '.join(command)}` failed with exit code {done.returncode}:\n{tail}")
    return done.stdout
