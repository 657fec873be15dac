# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a run as an operator sees them: one task, on all its servers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from longshore.runs.events import Event, PlayStarted, RunFinished, TaskFinished, TaskStarted

_MACHINERY = {
    f"ansible.builtin.{name}"
    for name in ("assert", "import_role", "include_role", "include_tasks", "set_fact", "validate_argument_spec")
}


@dataclass
class Step:
    """One task on all its servers. ``running``: server → when it began; ``finished``: server → how it ended."""

    id: str
    title: str
    began: float
    ended: float = 0.0
    running: dict[str, float] = field(default_factory=dict)
    finished: dict[str, TaskFinished] = field(default_factory=dict)

    @property
    def duration(self) -> float:
        """Seconds from the first server's beginning to the last one's end."""
        return max(0.0, self.ended - self.began)

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to tell: every server skipped it, or it was Ansible's machinery and went well."""
        return not self.running and all(
            event.status == "skipped" or (event.status == "ok" and event.action in _MACHINERY)
            for event in self.finished.values()
        )

    def servers(self, *statuses: str) -> list[str]:
        """The servers on which it ended in one of these ways."""
        return sorted(host for host, event in self.finished.items() if event.status in statuses)


class Steps:
    """Follows a run. ``current`` is the step under way."""

    def __init__(self) -> None:
        self.current: Step | None = None

    def add(self, event: Event) -> Iterable[Step]:
        """Take an event; gives the steps that it closes."""
        closed: list[Step] = []
        if isinstance(event, TaskStarted | TaskFinished):
            if self.current is None or self.current.id != event.place.id:
                closed = self._close()
                role = f"{event.place.role}: " if event.place.role else ""
                self.current = Step(event.place.id, f"{role}{event.place.task}", event.time)
            step = self.current
            if isinstance(event, TaskStarted):
                step.running[event.place.host] = event.time
            else:
                step.running.pop(event.place.host, None)
                step.finished[event.place.host] = event
                step.ended = event.time
        elif isinstance(event, PlayStarted | RunFinished):
            closed = self._close()
        return closed

    def _close(self) -> list[Step]:
        step, self.current = self.current, None
        return [step] if step is not None and not step.quiet else []


def outcome(step: Step) -> str:
    """How a step ended, the worst first: ``failed``, ``unreachable``, ``changed`` or ``ok``."""
    for status in ("failed", "unreachable", "changed"):
        if step.servers(status):
            return status
    return "ok"


def seconds(duration: float) -> str:
    """A duration for people: ``0.4 s``, ``12 s``, ``3 min 05 s``."""
    if duration < 9.95:
        return f"{duration:.1f} s"
    if duration < 119.5:
        return f"{duration:.0f} s"
    return f"{int(duration) // 60} min {int(duration) % 60:02d} s"


def hosts(names: Iterable[str], most: int = 6) -> str:
    """Names of servers, shortened when there are many: ``app1 app2 … and 38 more``."""
    listed = list(names)
    if len(listed) <= most:
        return " ".join(listed)
    return f"{' '.join(listed[:most])} … and {len(listed) - most} more"
