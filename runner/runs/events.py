# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens during a run, in order. Times are seconds since the epoch, durations seconds."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from longshore.runs.result import Result

TaskStatus = Literal["ok", "changed", "failed", "ignored", "unreachable", "skipped"]


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """One field that differs; ``before`` or ``after`` is None where the field is absent. Secrets arrive masked."""

    path: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that was, or in check mode would be, changed.

    Attributes: ``text`` (a few words), ``kind`` and ``name`` (such as ``service``, ``web``; empty when the module
    told words only), ``action`` (``create``, ``update``, ``remove`` …), ``fields``.
    """

    text: str
    kind: str = ""
    name: str = ""
    action: str = ""
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Event:
    """The base of all events."""

    type: ClassVar[str] = "event"
    time: float = field(default_factory=time.time)

    def to_dict(self) -> dict[str, Any]:
        """JSON data: the fields, and ``type`` (docs/reference/events.md lists them)."""
        return {"type": self.type, **dataclasses.asdict(self)}


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """The run has begun on this machine."""

    type: ClassVar[str] = "run_started"
    run: str
    playbook: str
    check: bool


@dataclass(frozen=True, kw_only=True)
class PlayStarted(Event):
    """A play has begun."""

    type: ClassVar[str] = "play_started"
    play: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """A task on one server. ``role`` is empty outside of roles; ``id`` is the same on all servers."""

    id: str
    task: str
    role: str
    play: str
    host: str


@dataclass(frozen=True, kw_only=True)
class TaskStarted(Event):
    """A task has begun on one server."""

    type: ClassVar[str] = "task_started"
    place: Place


@dataclass(frozen=True, kw_only=True)
class TaskFinished(Event):
    """A task has ended on one server.

    Attributes: ``ignored`` is the status of a failure that the playbook allows; ``diff`` is a unified diff or empty;
    ``message`` says why it failed or was unreachable; ``data`` is what one of our modules returned (else empty).
    """

    type: ClassVar[str] = "task_finished"
    place: Place
    status: TaskStatus
    duration: float
    action: str = ""
    changes: tuple[Change, ...] = ()
    diff: str = ""
    message: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Line(Event):
    """A line of output: progress of a long task, a warning, an error."""

    type: ClassVar[str] = "line"
    text: str
    level: Literal["output", "warning", "error"] = "output"


@dataclass(frozen=True, kw_only=True)
class Cancelling(Event):
    """How far a cancellation is: ``marking`` it on the servers, ``waiting`` for a safe point, ``ending`` processes."""

    type: ClassVar[str] = "cancelling"
    stage: Literal["marking", "waiting", "ending"]


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The last event. As JSON it holds the fields of the result (``Result.to_dict()``) itself."""

    type: ClassVar[str] = "run_finished"
    result: Result

    def to_dict(self) -> dict[str, Any]:
        """JSON data: ``type``, ``time`` and the result's fields."""
        return {"type": self.type, "time": self.time, **self.result.to_dict()}
