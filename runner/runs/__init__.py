# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running Ansible: a ``Job`` goes in, typed events stream out, a ``Result`` tells the truth at the end.

``start(job)`` gives a ``Run``; nothing of ansible-runner shows through, and this package never prints.
"""

from __future__ import annotations

from longshore.runs.events import (
    Cancelling,
    Change,
    Event,
    FieldChange,
    Line,
    Place,
    PlayStarted,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskStarted,
)
from longshore.runs.exit_code import ExitCode
from longshore.runs.job import Job
from longshore.runs.result import Counters, Failure, Result, ServerChange, Status
from longshore.runs.run import Run, start

__all__ = [
    "Cancelling",
    "Change",
    "Counters",
    "Event",
    "ExitCode",
    "Failure",
    "FieldChange",
    "Job",
    "Line",
    "Place",
    "PlayStarted",
    "Result",
    "Run",
    "RunFinished",
    "RunStarted",
    "ServerChange",
    "Status",
    "TaskFinished",
    "TaskStarted",
    "start",
]
