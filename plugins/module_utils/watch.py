# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service has come to run as wanted: judged from its tasks, since Swarm's own update state is not enough
(it counts a crash after its window as success, and waits for ever for what can't start).

Private to the collection. No input or output: the caller brings services and tasks as the engine gives them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.longshore.stack.plugins.module_utils.spec_diff import same_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

ENDED = ("complete", "failed", "rejected", "shutdown", "orphaned", "remove")
# A task that no node takes may find its room a moment later, when an old one has gone; seconds.
NO_PLACE_PATIENCE = 10.0
# A new service may crash a few times while what it needs comes up; one that ran before may not.
NEW_SERVICE_FAILURES = 3
# Once a first task has stood the whole monitor window, the rest of the same spec is only seen to settle; seconds.
SETTLE = 0.5


@dataclass
class Failure:
    """Why a service did not come up: ``kind`` is failed, no_place or deadline; ``task`` the engine's task that shows
    it, if there is one."""

    kind: str
    task: dict[str, Any] | None = None
    detail: str = ""


@dataclass
class Watch:
    """One service under watch.

    ``template`` is the wanted TaskTemplate as the engine gives it back, ``wanted`` the number of tasks, ``monitor``
    and ``deadline`` are seconds, ``began`` the time at which watching began, ``tolerant`` whether early failures are
    forgiven (a new service), ``gated`` whether the first batch is to stand the window before the rest follows,
    ``seen`` the tasks that had ended before.
    """

    name: str
    template: Mapping[str, Any]
    wanted: int
    monitor: float
    deadline: float
    began: float
    tolerant: bool = False
    gated: bool = False
    seen: frozenset[str] = frozenset()
    done: bool = False
    settled: bool = False
    gate_open: bool = False
    failure: Failure | None = None
    words: str = ""
    stuck: bool = False
    _up_since: float | None = None
    _gate_since: float | None = None
    _unplaced_since: float | None = None
    _failed: set[str] = field(default_factory=set)

    def look(self, now: float, tasks: Iterable[dict[str, Any]], servers: Mapping[str, str]) -> None:
        """Judge once more. Afterwards ``done`` or ``failure`` may be set.

        ``settled`` says that the wanted tasks run (their window perhaps not over), ``gate_open`` that the first batch
        stood its window, ``stuck`` that a task finds no place just now; ``words`` tells it all.
        """
        every = list(tasks)
        new = [task for task in every if same_task(task.get("Spec"), self.template) and task["ID"] not in self.seen]
        once = _condition(self.template) != "any"
        running = [task for task in new if _runs(task, once)]
        old = [task for task in every if task["DesiredState"] == "running" and not _is_among(task, new)]
        self._say(running, old, servers)
        self._judge_failures(now, new, once)
        if self.failure:
            return
        if self.wanted == 0:
            live = [task for task in every if task["Status"]["State"] not in ENDED]
            self.done = self.settled = not live
        else:
            self.settled = len(running) >= self.wanted and not old
            self._judge_windows(now, len(running))
        if not self.done and now - self.began > self.deadline:
            self.failure = Failure("deadline", _most_telling(new) or _most_telling(old))

    def _judge_failures(self, now: float, new: list[dict[str, Any]], once: bool) -> None:
        for task in new:
            state = task["Status"]["State"]
            bad = state in ("failed", "rejected") or (state == "complete" and not once)
            # One that was asked to go may end as badly as it likes.
            if not bad or task["ID"] in self._failed or task["DesiredState"] == "remove" or self.wanted == 0:
                continue
            self._failed.add(task["ID"])
            # A crash starts the window anew.
            self._up_since = self._gate_since = None
            final = "No such image" in (task["Status"].get("Err") or "")
            if final or not self.tolerant or len(self._failed) >= NEW_SERVICE_FAILURES:
                self.failure = Failure("failed", task)
                return
        stuck = [task for task in new if task["Status"]["State"] == "pending" and task["Status"].get("Err")]
        self.stuck = bool(stuck)
        if not stuck:
            self._unplaced_since = None
        elif self._unplaced_since is None:
            self._unplaced_since = now
        elif now - self._unplaced_since >= NO_PLACE_PATIENCE:
            self.failure = Failure("no_place", stuck[0])

    def _judge_windows(self, now: float, running: int) -> None:
        if self.gated and not self.gate_open:
            if running == 0:
                self._gate_since = None
            elif self._gate_since is None:
                self._gate_since = now
            self.gate_open = self._gate_since is not None and now - self._gate_since >= self.monitor
        if not self.settled:
            self._up_since = None
        elif self._up_since is None:
            self._up_since = now
        window = min(SETTLE, self.monitor) if self.gate_open else self.monitor
        self.done = self._up_since is not None and now - self._up_since >= window

    def _say(self, running: list[dict[str, Any]], old: list[dict[str, Any]], servers: Mapping[str, str]) -> None:
        if self.wanted == 0:
            self.words = f"{self.name}: stopping, {len(old)} left"
            return
        places = sorted({servers.get(task.get("NodeID", ""), "?") for task in running})
        where = " on " + ", ".join(places) if 0 < len(places) <= 6 else ""
        rest = f", {len(old)} old" if old else ""
        self.words = f"{self.name}: {len(running)} of {self.wanted} up{where}{rest}"


def spare_tasks(tasks: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The identifiers of the tasks that have ended: an earlier failure says nothing about the next try."""
    return frozenset(task["ID"] for task in tasks if task["Status"]["State"] in ENDED)


def converged(tasks: Iterable[dict[str, Any]], template: Mapping[str, Any], wanted: int) -> bool:
    """Whether the wanted number of tasks of this very spec runs now, and no other."""
    meant = [task for task in tasks if task["DesiredState"] == "running"]
    running = [task for task in meant if task["Status"]["State"] == "running" and same_task(task.get("Spec"), template)]
    return len(running) == len(meant) == wanted


def _runs(task: Mapping[str, Any], once: bool) -> bool:
    state = task["Status"]["State"]
    return (state == "running" and task["DesiredState"] == "running") or (once and state == "complete")


def _condition(template: Mapping[str, Any]) -> str:
    return str((template.get("RestartPolicy") or {}).get("Condition") or "any")


def _is_among(task: Mapping[str, Any], others: list[dict[str, Any]]) -> bool:
    return any(task["ID"] == other["ID"] for other in others)


def _most_telling(tasks: list[dict[str, Any]]) -> dict[str, Any] | None:
    told = [task for task in tasks if task["Status"].get("Err")]
    return max(told or tasks, key=lambda task: str(task.get("UpdatedAt")), default=None)
