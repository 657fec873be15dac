# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Longshore: one stack file becomes a running stack on your own servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore.definition import DefinitionError
    from longshore.runs import Event, Job, Result, Run, Status
    from longshore.runs.jobs import Options
    from longshore.stack import BadInput, Stack

__version__ = "0.1.0"
__all__ = [
    "BadInput",
    "DefinitionError",
    "Event",
    "Job",
    "Options",
    "Result",
    "Run",
    "Stack",
    "Status",
    "__version__",
]

# Imported when they are first used: the inventory plugin needs none of them, and `longshore --help` must be quick.
_HOMES = {
    "BadInput": "longshore.stack",
    "DefinitionError": "longshore.definition",
    "Event": "longshore.runs",
    "Job": "longshore.runs",
    "Options": "longshore.runs.jobs",
    "Result": "longshore.runs",
    "Run": "longshore.runs",
    "Stack": "longshore.stack",
    "Status": "longshore.runs",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'longshore' has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - as above

    return getattr(importlib.import_module(_HOMES[name]), name)
