# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service has come to run as wanted: judged from its tasks, since Swarm's own update state is not enough
(it counts a crash after its window as success, and waits for ever for what can't start).

Private to the collection. No input or output: the caller brings services and tasks as the engine gives them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ansible_collections.longshore.stack.plugins.module_utils.service_spec import SECOND, restarts
from ansible_collections.longshore.stack.plugins.module_utils.spec_diff import same_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from typing import Any

ENDED = ("complete", "failed", "rejected", "shutdown", "orphaned", "remove")
# A task that no node takes may find its room a moment later, when an old one has gone; seconds.
NO_PLACE_PATIENCE = 10.0
# Each place of a new service may crash a few times while what it needs comes up; one that ran before may not.
NEW_SERVICE_FAILURES = 3
# Docker's own grace period, and how much longer than its grace a task may take to end; seconds.
GRACE, GRACE_MARGIN = 10.0, 5.0
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
    ``seen`` the tasks that had ended before, ``nowhere`` whether no task is wanted for want of a server. The caller
    keeps ``wanted`` and ``nowhere`` up to date while servers come and go.
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
    nowhere: bool = False
    done: bool = False
    settled: bool = False
    gate_open: bool = False
    failure: Failure | None = None
    words: str = ""
    stuck: bool = False
    lacking: int = 0
    crowded: bool = False
    calm: bool = True
    stalled: bool = False
    idle_since: float | None = None
    _up_since: float | None = None
    _gate_since: float | None = None
    _unplaced_since: float | None = None
    _lacked: bool = False
    _failed: dict[Any, set[str]] = field(default_factory=dict)
    _asked: dict[str, float] = field(default_factory=dict)

    def look(
        self,
        now: float,
        tasks: Iterable[dict[str, Any]],
        servers: Mapping[str, str],
        *,
        gone: Container[str] = (),
        away: bool = False,
    ) -> None:
        """Judge once more. Afterwards ``done`` or ``failure`` may be set.

        ``gone`` are the nodes that are down: what they last said of their tasks counts no longer. ``away`` says that a
        server is down or drained that the service might run on.

        ``settled`` says that the wanted tasks run (their window perhaps not over), ``gate_open`` that the first batch
        stood its window, ``stuck`` that a task finds no place just now, ``crowded`` that it finds none while another
        one runs twice, ``lacking`` how many tasks wait for a server that is away, ``calm`` that no new task is on its
        way up, ``stalled`` that Swarm's update waits for a lacking task, ``idle_since`` since when old tasks are there
        and none comes or goes; ``words`` tells it all.
        """
        reported = list(tasks)
        self._note_asked(now, reported, gone)
        every = [task for task in reported if (task.get("NodeID") or "") not in gone]
        new = [task for task in every if same_task(task.get("Spec"), self.template) and task["ID"] not in self.seen]
        once = not restarts(self.template)
        running = [task for task in new if _runs(task, once)]
        old = [task for task in every if task["DesiredState"] == "running" and not _is_among(task, new)]
        self._judge_failures(new, once)
        if not self.failure:
            self._judge_places(now, every, new, old, away)
        coming = [
            task for task in new if task["ID"] not in self._asked and task["Status"]["State"] not in (*ENDED, "running")
        ]
        self.calm = len(coming) <= self.lacking
        self.stalled = bool(self.lacking and old and self.calm)
        idle = old and self.calm and not any(self._drains(task, now) for task in every)
        self.idle_since = (self.idle_since or now) if idle else None
        self._say(running, old, servers)
        if self.failure:
            return
        if self.wanted == 0:
            live = [task for task in every if task["Status"]["State"] not in ENDED]
            self.done = self.settled = not live and (not self.nowhere or bool(self.lacking))
        else:
            up = [task for task in running if task.get("Slot") and task["Status"]["State"] == "running"]
            spare = len(_places(up)) > self.wanted
            self.settled = len(_places(running)) + self.lacking >= self.wanted and not old and not spare
            self._judge_windows(now, bool(running))
        if not self.done and now - self.began > self.deadline:
            self.failure = Failure("deadline", _most_telling(new) or _most_telling(old))

    @property
    def waits_at_gate(self) -> bool:
        """Whether the first batch has still to stand its window."""
        return self.gated and not self.gate_open

    @property
    def stands_at_gate(self) -> bool:
        """Whether that window runs."""
        return self._gate_since is not None

    def _note_asked(self, now: float, tasks: list[dict[str, Any]], gone: Container[str]) -> None:
        """Remember which tasks were asked to go, or lost with their server, before they ended: one that ends by itself
        is asked only afterwards."""
        for task in tasks:
            asked = task["DesiredState"] in ("shutdown", "remove") or (task.get("NodeID") or "") in gone
            if asked and task["Status"]["State"] not in ENDED:
                self._asked.setdefault(task["ID"], now)

    def _judge_failures(self, new: list[dict[str, Any]], once: bool) -> None:
        for task in new:
            state = task["Status"]["State"]
            bad = state in ("failed", "rejected") or (state == "complete" and not once)
            # One that was asked to go may end as badly as it likes.
            asked = task["DesiredState"] == "remove" or task["ID"] in self._asked
            failed = self._failed.setdefault(task.get("Slot") or task.get("NodeID"), set())
            if not bad or asked or task["ID"] in failed or self.wanted == 0:
                continue
            failed.add(task["ID"])
            # A crash starts the window anew.
            self._up_since = self._gate_since = None
            final = "No such image" in (task["Status"].get("Err") or "")
            if final or not self.tolerant or len(failed) >= NEW_SERVICE_FAILURES:
                self.failure = Failure("failed", task)
                return

    def _judge_places(
        self, now: float, every: list[dict[str, Any]], new: list[dict[str, Any]], old: list[dict[str, Any]], away: bool
    ) -> None:
        stuck = [
            task
            for task in new
            if task["Status"]["State"] == "pending" and task["Status"].get("Err") and task["ID"] not in self._asked
        ]
        self.stuck, self.crowded, self.lacking = bool(stuck), False, 0
        # What an old task holds (a port, memory) is free when it has ended.
        if not (stuck or self.nowhere) or any(self._drains(task, now) for task in every):
            self._unplaced_since = None
        elif self._unplaced_since is None:
            self._unplaced_since = now
        elif now - self._unplaced_since >= NO_PLACE_PATIENCE:
            served = {task.get("Slot") for task in old if task["Status"]["State"] == "running"}
            # An old task that still serves is not given up for a new one without a place. A global service's task
            # (it has no slot) is bound to its own server, so another one that is away is no excuse.
            # One that is back by now changes nothing: Swarm may have forgotten the task.
            away = away or self._lacked
            if away and all(task.get("Slot") and task["Slot"] not in served for task in stuck):
                self.lacking, self._lacked = max(1, len(_places(stuck))), True
            elif not self.waits_at_gate and _doubled(new):
                self.crowded = True
            else:
                self.failure = Failure("no_place", stuck[0] if stuck else None)

    def _drains(self, task: Mapping[str, Any], now: float) -> bool:
        """Whether the task was asked to go, and still has time to do so."""
        if task["ID"] not in self._asked or task["Status"]["State"] in ENDED:
            return False
        grace = ((task.get("Spec") or {}).get("ContainerSpec") or {}).get("StopGracePeriod")
        allowed = GRACE if grace is None else grace / SECOND
        return now - self._asked[task["ID"]] <= allowed + GRACE_MARGIN

    def _judge_windows(self, now: float, running: bool) -> None:
        if self.waits_at_gate:
            if not running or not self.calm:
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
        if self.wanted == 0 and not self.nowhere:
            self.words = f"{self.name}: stopping, {len(old)} left"
            return
        places = sorted({servers.get(task.get("NodeID", ""), "?") for task in running})
        where = " on " + ", ".join(places) if 0 < len(places) <= 6 else ""
        rest = f", {len(old)} old" if old else ""
        rest += f", {self.lacking} waiting for a server that is away" if self.lacking and self.wanted else ""
        self.words = f"{self.name}: {len(_places(running))} of {self.wanted} up{where}{rest}"


def spare_tasks(tasks: Iterable[Mapping[str, Any]], done_by: Mapping[str, Any] | None = None) -> frozenset[str]:
    """The identifiers of the tasks that have ended: an earlier failure says nothing about the next try. What is done
    once, and was done by a task of the template ``done_by``, counts on."""
    once = done_by is not None and not restarts(done_by)
    return frozenset(
        task["ID"]
        for task in tasks
        if task["Status"]["State"] in ENDED
        and not (once and task["Status"]["State"] == "complete" and same_task(task.get("Spec"), done_by))
    )


def converged(tasks: Iterable[dict[str, Any]], template: Mapping[str, Any], wanted: int) -> bool:
    """Whether the wanted number of tasks of this very spec runs now, and no other."""
    meant = [task for task in tasks if task["DesiredState"] == "running"]
    running = [task for task in meant if task["Status"]["State"] == "running" and same_task(task.get("Spec"), template)]
    return len(running) == len(meant) == wanted


def _places(tasks: Iterable[Mapping[str, Any]]) -> set[Any]:
    """The slots of the tasks, or the servers of a global service's: there may be two tasks in one."""
    return {task.get("Slot") or task.get("NodeID") for task in tasks}


def _runs(task: Mapping[str, Any], once: bool) -> bool:
    state = task["Status"]["State"]
    return (state == "running" and task["DesiredState"] == "running") or (once and state == "complete")


def _doubled(new: list[dict[str, Any]]) -> bool:
    """Whether a slot has two tasks that run. When a server is lost in the middle of an update, Swarm replaces its
    tasks, those too for which the update has started others already; the spare ones go only when their turn comes."""
    running = Counter(task["Slot"] for task in new if task.get("Slot") and _runs(task, False))
    return any(number > 1 for number in running.values())


def _is_among(task: Mapping[str, Any], others: list[dict[str, Any]]) -> bool:
    return any(task["ID"] == other["ID"] for other in others)


def _most_telling(tasks: list[dict[str, Any]]) -> dict[str, Any] | None:
    told = [task for task in tasks if task["Status"].get("Err")]
    return max(told or tasks, key=lambda task: str(task.get("UpdatedAt")), default=None)
