# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services on their way to new specs, all in one polling loop; and back, when one fails.

Private to the collection. An update is first let through to its first batch alone. Only when that has stood the
monitor window do the other tasks follow: so an image that starts well and crashes later takes one batch with it, never
all. Of a service with one task, that serves requests and starts first, the old version gets a second task meanwhile.
"""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass

from ansible_collections.longshore.stack.plugins.module_utils import explain, placement
from ansible_collections.longshore.stack.plugins.module_utils.service_spec import SECOND
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import patient
from ansible_collections.longshore.stack.plugins.module_utils.watch import Watch, converged, spare_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

POLL = 0.3
# If nobody lets the rest through (the run died), Swarm goes on by itself, one batch after so much more; seconds.
GATE_MARGIN = 30.0
# How long the old version may take to serve again; seconds.
BACK_DEADLINE = 90.0
# How long a second task of the old version may take; without it the update goes on as well; seconds.
SECOND_DEADLINE = 20.0


class ServiceFailed(Exception):
    """A service did not come up; the message is the explanation."""


@dataclass
class _Item:
    name: str
    live: dict[str, Any] | None
    spec: dict[str, Any] | None
    settings: Mapping[str, Any]
    replaces: bool
    resumes: bool
    through: int = 0
    identifier: str = ""
    watch: Watch | None = None
    passed: bool = False
    between: int = 0


class Rollout:
    """The services of one run. ``started`` are those that were touched, in order; ``failed`` the one that failed.

    ``edge`` is the identifier of the network between load balancers and services, empty when there is none.
    """

    def __init__(
        self,
        docker: Docker,
        writer: Writer,
        run: Run,
        *,
        stack: str,
        edge: str,
        nodes: list[dict[str, Any]],
        secrets: Iterable[str] = (),
    ) -> None:
        self._docker = docker
        self._writer = writer
        self._run = run
        self._stack = stack
        self._edge = edge
        self._nodes = nodes
        self._secrets = list(secrets)
        self._items: dict[str, _Item] = {}
        self._said: dict[str, str] = {}
        self.started: list[str] = []
        self.failed = ""

    def add(
        self,
        name: str,
        live: dict[str, Any] | None,
        spec: dict[str, Any] | None,
        settings: Mapping[str, Any],
        *,
        replaces: bool,
        resumes: bool = False,
        through: int = 0,
    ) -> None:
        """Enlist a service: ``live`` the engine's object or None, ``spec`` the bound spec to give it (None: only
        watch), ``settings`` with monitor, deadline and depends_on, ``replaces`` whether tasks are replaced,
        ``through`` a number of replicas to go through, so that Swarm spreads the tasks anew."""
        self._items[name] = _Item(name, live, spec, settings, replaces, resumes, through)

    def settled(self, name: str) -> bool:
        """Whether the service's wanted tasks were up when last seen."""
        watch = self._items[name].watch
        return watch is not None and watch.settled

    def run_all(self, just_before: Callable[[str], None] = lambda _name: None) -> None:
        """Start what may start, watch what was started, until all is done. Raises ``ServiceFailed``.

        ``just_before(name)`` is called right before a service is touched.
        """
        while True:
            for item in self._items.values():
                if item.watch is None and self._may_start(item):
                    just_before(item.name)
                    self._start(item)
            under_way = [item for item in self._items.values() if item.watch and not item.watch.done]
            self._look(under_way)
            for item in under_way:
                if item.between:
                    self._after_between(item)
                    continue
                if item.watch is not None and item.watch.failure is not None:
                    self.failed = item.name
                    raise ServiceFailed(self._explain(item))
                if item.watch is not None and item.watch.gate_open and not item.passed and item.spec is not None:
                    item.passed = True
                    self._writer.update_service(item.identifier, item.spec)
            if all(item.watch is not None and item.watch.done for item in self._items.values()):
                return
            self._run.wait(POLL)

    def go_back(self, baseline: Mapping[str, dict[str, Any]], remove: Iterable[str]) -> str:
        """Give the services of ``baseline`` these bound specs again and remove the others; what became of it."""
        removed = sorted(remove)
        for name in removed:
            self._run.progress(f"{name}: removed again, it never came up")
            self._writer.remove(f"/services/{self._items[name].identifier}")
        back = [self._items[name] for name in reversed(self.started) if name in baseline]
        for item in back:
            spec = baseline[item.name]
            self._run.progress(f"{item.name}: going back to the version before")
            live = self._writer.update_service(item.identifier, _hurried(spec))
            item.spec = None
            item.watch = self._watch(item, live, monitor=0.0, deadline=BACK_DEADLINE, tolerant=True)
        while not all(item.watch is None or item.watch.done or item.watch.failure for item in back):
            self._look([item for item in back if item.watch and not item.watch.done])
            self._run.wait(POLL)
        for item in back:
            self._writer.update_service(item.identifier, baseline[item.name])
        failed = [item for item in back if item.watch and item.watch.failure]
        lines = [f"THE OLD VERSION DID NOT COME BACK: {self._explain(item)}" for item in failed]
        good = sorted(item.name for item in back if item not in failed)
        if good:
            lines.append(f"Gone back: {', '.join(good)} {'runs' if len(good) == 1 else 'run'} as before.")
        if removed:
            lines.append(f"Removed again, since there was no version before: {', '.join(removed)}.")
        return "\n".join(lines)

    def _may_start(self, item: _Item) -> bool:
        for name, condition in item.settings["depends_on"].items():
            other = self._items.get(name)
            if other is None:
                continue
            if other.watch is None or other.between or (condition == "service_healthy" and not other.watch.settled):
                return False
        return True

    def _start(self, item: _Item) -> None:
        tasks: list[dict[str, Any]] = []
        if item.live is not None:
            item.identifier = item.live["ID"]
            tasks = self._tasks([item])
        # Before the write: whatever happens from here on has to be taken back.
        self.started.append(item.name)
        if self._spread(item) or self._double(item):
            return
        self._write(item, tasks, wanted_tasks(item.live["Spec"], self._nodes) if item.live else 0)

    def _double(self, item: _Item) -> bool:
        """Give the old version a second task, if the service needs it for a safe update."""
        spec, live = item.spec, item.live
        if spec is None or live is None or not item.replaces or not item.settings["monitor"]:
            return False
        serves = any(network["Target"] == self._edge for network in spec["TaskTemplate"].get("Networks") or [])
        single = all((one["Mode"].get("Replicated") or {}).get("Replicas") == 1 for one in (spec, live["Spec"]))
        if not (serves and single and spec["UpdateConfig"].get("Order") == "start-first"):
            return False
        if not converged(self._tasks([item]), live["Spec"]["TaskTemplate"], 1):
            return False
        self._run.progress(f"{item.name}: a second task of the old version, to serve meanwhile")
        self._between(item, live["Spec"], 2, SECOND_DEADLINE)
        return True

    def _spread(self, item: _Item) -> bool:
        """Go through another number of replicas, if the service's tasks are to be spread anew."""
        if not item.through or item.spec is None:
            return False
        self._run.progress(f"{item.name}: {item.through} tasks for a while, so that they spread")
        self._between(item, item.spec, item.through, item.settings["deadline"])
        return True

    def _between(self, item: _Item, spec: Mapping[str, Any], number: int, deadline: float) -> None:
        live = self._writer.update_service(item.identifier, _with_replicas(spec, number))
        item.between = number
        item.watch = self._watch(item, live, monitor=0.0, deadline=deadline, tolerant=False)

    def _after_between(self, item: _Item) -> None:
        watch = item.watch
        if watch is None or not (watch.done or watch.failure or watch.stuck):
            return
        number, item.between = item.between, 0
        # Where there is no room for so many, it goes the plain way.
        self._write(item, self._tasks([item]), number if watch.done else 1)

    def _write(self, item: _Item, tasks: list[dict[str, Any]], before: int) -> None:
        spec, settings = item.spec, item.settings
        monitor, gated = settings["monitor"], False
        if spec is None:
            live = dict(item.live or {})
        elif item.live is None:
            item.identifier = self._writer.create_service(spec)
            live = self._docker.get(f"/services/{item.identifier}")
        else:
            wanted = wanted_tasks(spec, self._nodes)
            gated = item.replaces and monitor > 0 and before > 0 and (wanted > 1 or before > wanted == 1)
            live = self._writer.update_service(
                item.identifier, _gated(spec, max(wanted, 2), monitor) if gated else spec
            )
        wanted = wanted_tasks(spec or live["Spec"], self._nodes)
        template = live["Spec"]["TaskTemplate"]
        starts_none = not item.replaces and (
            wanted <= before if item.spec is not None and not item.resumes else converged(tasks, template, wanted)
        )
        item.watch = self._watch(
            item,
            live,
            monitor=0.0 if starts_none else monitor,
            deadline=settings["deadline"],
            tolerant=before == 0,
            gated=gated,
            seen=spare_tasks(tasks),
        )
        item.watch.wanted = wanted

    def _watch(
        self,
        item: _Item,
        live: Mapping[str, Any],
        *,
        monitor: float,
        deadline: float,
        tolerant: bool,
        gated: bool = False,
        seen: frozenset[str] | None = None,
    ) -> Watch:
        return Watch(
            name=item.name,
            template=live["Spec"]["TaskTemplate"],
            wanted=wanted_tasks(dict(live["Spec"]), self._nodes),
            monitor=monitor,
            deadline=deadline,
            began=time.monotonic(),
            tolerant=tolerant,
            gated=gated,
            seen=spare_tasks(self._tasks([item])) if seen is None else seen,
        )

    def _tasks(self, items: list[_Item]) -> list[dict[str, Any]]:
        wanted = [item.identifier for item in items]
        found: list[dict[str, Any]] = patient(lambda: self._docker.get("/tasks", filters={"service": wanted}))
        return found

    def _look(self, items: list[_Item]) -> None:
        if not items:
            return
        tasks = self._tasks(items)
        servers = placement.server_names(self._stack, self._nodes)
        for item in items:
            if item.watch is None:
                continue
            item.watch.look(time.monotonic(), [task for task in tasks if task["ServiceID"] == item.identifier], servers)
            if self._said.get(item.name) != item.watch.words:
                self._said[item.name] = item.watch.words
                self._run.progress(item.watch.words)

    def _explain(self, item: _Item) -> str:
        watch = item.watch
        if watch is None or watch.failure is None:
            return ""
        live = self._docker.get(f"/services/{item.identifier}")
        nodes = self._docker.get("/nodes")
        place = explain.Place(self._docker, self._stack, nodes, self._secrets)
        return explain.explain(place, item.name, watch.failure, live["Spec"])


def wanted_tasks(spec: Mapping[str, Any], nodes: list[dict[str, Any]]) -> int:
    """How many tasks a service of this spec should have now."""
    replicated = spec["Mode"].get("Replicated")
    return int(replicated.get("Replicas", 1)) if replicated is not None else len(placement.eligible(nodes, spec))


def _gated(spec: Mapping[str, Any], wanted: int, monitor: float) -> dict[str, Any]:
    """``spec`` with an update that halts after its first batch, which leaves at least one old task."""
    result = deepcopy(dict(spec))
    parallelism = result["UpdateConfig"].get("Parallelism") or wanted
    result["UpdateConfig"]["Parallelism"] = min(parallelism, wanted - 1)
    result["UpdateConfig"]["Delay"] = round((monitor + GATE_MARGIN) * SECOND)
    if result["Mode"].get("Replicated", {}).get("Replicas") == 1:
        result["Mode"] = {"Replicated": {"Replicas": 2}}
    return result


def _with_replicas(spec: Mapping[str, Any], number: int) -> dict[str, Any]:
    result = deepcopy(dict(spec))
    result["Mode"] = {"Replicated": {"Replicas": number}}
    return result


def _hurried(spec: Mapping[str, Any]) -> dict[str, Any]:
    """``spec`` with an update that loses no time and doesn't halt: the version before is known to work."""
    result = deepcopy(dict(spec))
    update = result.setdefault("UpdateConfig", {})
    update.update(Delay=0, FailureAction="continue")
    if update.get("Order") == "start-first":
        update["Parallelism"] = 0
    return result
