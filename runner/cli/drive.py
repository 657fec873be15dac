# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeing a run through: signals, the view, the summary, the exit code."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from longshore.cli.ending import end
from longshore.cli.views import View
from longshore.runs import Job, Result, Run, start

# Ctrl-C, a polite kill, and the terminal that was closed.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def drive(job: Job, view: View) -> Result:
    """Run a job in a view. The first signal cancels the run, the second ends it at once."""
    with start(job) as run, _cancelling(run), view:
        for event in run.events():
            view.show(event)
    return run.wait()


def finish(job: Job, view: View, summary: Callable[[Result], None] | None) -> NoReturn:
    """Run a job in a view, show its summary, end the command with the result's exit code."""
    result = drive(job, view)
    if summary is not None:
        summary(result)
    end(result.exit_code)


@contextlib.contextmanager
def _cancelling(run: Run) -> Iterator[None]:
    asked = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        run.cancel(force=asked > 1)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
