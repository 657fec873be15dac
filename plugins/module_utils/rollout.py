# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services on their way to new specs, all in one polling loop; and back, when one fails.

Private to the collection. An update is first let through to its first batch alone. Only when that has stood the
monitor window do the other tasks follow: so an image that starts well and crashes later takes one batch with it, never
all. Of a service with one task, that starts first, the old version gets a second task meanwhile.
"""

from __future__ import annotations

import contextlib
import time

from ansible_collections.longshore.stack.plugins.module_utils import forgotten, placement, spread, update_specs
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import mask
from ansible_collections.longshore.stack.plugins.module_utils.service_spec import SECOND
from ansible_collections.longshore.stack.plugins.module_utils.sight import Item, Sight
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import patient
from ansible_collections.longshore.stack.plugins.module_utils.watch import (
    NO_PLACE_PATIENCE,
    Watch,
    converged,
    spare_tasks,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

POLL = 0.3
# So often an update that Swarm paused without a failure that counts is set going again.
RENEWALS = 5
# How long the old version may take to serve again; seconds.
BACK_DEADLINE = 90.0
# How long a second task of the old version may take; without it the update goes on as well; seconds.
SECOND_DEADLINE = 20.0
# How long Swarm may take to give up a task that runs nowhere; seconds.
GIVE_UP_DEADLINE = 10.0


class ServiceFailed(Exception):
    """A service did not come up; the message is the explanation."""


class Rollout:
    """The services of one run. ``started`` are those that were touched, in order; ``failed`` the one that failed;
    ``lacking`` says by service what only a server that is away keeps from running."""

    def __init__(
        self,
        docker: Docker,
        writer: Writer,
        run: Run,
        *,
        stack: str,
        nodes: list[dict[str, Any]],
        secrets: Iterable[str] = (),
    ) -> None:
        self._docker = docker
        self._writer = writer
        self._run = run
        self._secrets = list(secrets)
        self._sight = Sight(docker, run, stack, nodes, self._secrets)
        self._items: dict[str, Item] = {}
        self.started: list[str] = []
        self.failed = ""
        self.lacking: dict[str, str] = {}

    def add(
        self,
        name: str,
        live: dict[str, Any] | None,
        spec: dict[str, Any] | None,
        settings: Mapping[str, Any],
        *,
        replaces: bool,
        resumes: bool = False,
        through: int | None = None,
    ) -> None:
        """Enlist a service: ``live`` the engine's object or None, ``spec`` the bound spec to give it (None: only
        watch), ``settings`` with monitor, deadline and depends_on, ``replaces`` whether tasks are replaced,
        ``through`` a number of replicas to go through, so that Swarm places the tasks anew."""
        self._items[name] = Item(name, live, spec, settings, replaces, resumes, through)

    def settled(self, name: str) -> bool:
        """Whether the service's wanted tasks were up when last seen."""
        watch = self._items[name].watch
        return watch is not None and watch.settled

    def done(self, name: str) -> bool:
        """Whether the service came to its end well."""
        watch = self._items[name].watch
        return watch is not None and watch.done and self._items[name].between is None

    def run_all(self, ready: Callable[[str], bool] = lambda _name: True) -> None:
        """Start what may start, watch what was started, until all is done. Raises ``ServiceFailed``.

        ``ready(name)`` is asked, again and again, before a service is touched; it is not touched before the answer is
        yes.
        """
        while True:
            for item in self._items.values():
                if item.watch is None and self._may_start(item) and ready(item.name):
                    with self._named(item):
                        self._start(item)
            under_way = [item for item in self._items.values() if item.watch and not item.watch.done]
            try:
                self._sight.look(under_way)
            except DockerError as error:
                raise ServiceFailed(f"the services can't be watched: {error.message}") from error
            for item in under_way:
                with self._named(item):
                    self._advance(item)
            if all(item.watch is not None and item.watch.done for item in self._items.values()):
                late = [item for item in self._items.values() if self._comes_late(item)]
                if not late:
                    break
            self._run.wait(POLL)
        self.lacking = {item.name: text for item in self._items.values() if (text := self._sight.lacks(item))}

    def _comes_late(self, item: Item) -> bool:
        """Leave the service so that Swarm can do the rest; whether there is more to watch, since what tasks waited for
        is back."""
        with self._named(item):
            tasks = self._sight.tasks([item])
            # Without its note it is only tried again.
            with contextlib.suppress(DockerError):
                self._note_uneven(item, tasks)
            self._queue_again(item, tasks)
            if item.watch is None or not item.watch.lacking or item.late:
                return False
            if placement.away(self._sight.nodes, item.aim):
                return False
            item.late = True
            item.watch = self._watch(
                item,
                self._live(item),
                monitor=item.settings["monitor"],
                deadline=item.settings["deadline"],
                tolerant=item.watch.tolerant,
            )
        return True

    def _note_uneven(self, item: Item, tasks: list[dict[str, Any]]) -> None:
        found = spread.uneven(tasks, self._sight.nodes, item.final)
        if found is not None and item.written is not None and not spread.noted(item.written, found):
            self._put(item, spread.with_note(item.written, found))

    def _queue_again(self, item: Item, tasks: list[dict[str, Any]]) -> None:
        """Have the tasks that wait for a server made anew, if Swarm forgets them else. The write that makes them is the
        last one."""
        spec, found = item.written, forgotten.waiting(tasks)
        if spec is None or not found or not forgotten.forgettable(found, self._live(item)):
            return
        waiting = {task["ID"] for task in found}
        with self._run.to_the_end():
            self._put(item, update_specs.with_replicas(spec, spec["Mode"]["Replicated"]["Replicas"] - len(waiting)))
            until = time.monotonic() + GIVE_UP_DEADLINE
            # A slot is free only when its task is gone.
            while time.monotonic() < until and any(task["ID"] in waiting for task in self._sight.tasks([item])):
                time.sleep(POLL)
            self._put(item, spec)

    @contextlib.contextmanager
    def _named(self, item: Item) -> Iterator[None]:
        """An engine that refuses something about a service makes the service fail, by name."""
        try:
            yield
        except DockerError as error:
            self.failed = item.name
            text = (
                f"service {item.name}: the Docker engine refused it\n  why: {error.message}\n"
                "  what to do: correct what the engine names, and deploy again"
            )
            raise ServiceFailed(mask(text, self._secrets)) from error

    def _advance(self, item: Item) -> None:
        watch, spec = item.watch, item.spec
        if watch is None:
            return
        if item.between is not None:
            self._after_between(item)
            return
        if watch.failure is not None:
            self.failed = item.name
            raise ServiceFailed(self._sight.explain(item))
        if spec is not None and watch.gate_open and not item.opened:
            item.opened = True
            self._put(item, spec)
        elif watch.done and item.written != item.final:
            self._put(item, item.final)
        elif not watch.done and (watch.calm or watch.crowded) and self._halted(item, watch):
            self._renew(item, watch)

    def _halted(self, item: Item, watch: Watch) -> bool:
        """Whether Swarm goes on no more: it paused the update, or waits for a task without a server, or for one on a
        server that was lost, or for room that spare tasks take up."""
        if watch.crowded:
            return True
        if watch.waits_at_gate:
            return watch.stalled and not watch.stands_at_gate
        if watch.stalled:
            return True
        delay = (item.final.get("UpdateConfig") or {}).get("Delay") or 0
        idle = time.monotonic() - watch.idle_since if watch.idle_since is not None else 0.0
        lost = bool(placement.gone(self._sight.nodes)) and idle >= delay / SECOND + NO_PLACE_PATIENCE
        return item.paused or lost

    def _renew(self, item: Item, watch: Watch) -> None:
        """Set a halted update going again."""
        now = time.monotonic()
        if item.written is None or item.renewals >= RENEWALS + watch.lacking or now - item.renewed < NO_PLACE_PATIENCE:
            return
        item.renewals, item.renewed, item.paused = item.renewals + 1, now, False
        self._run.progress(f"{item.name}: Swarm halted the update though nothing failed; going on")
        self._put(item, update_specs.renewed(item.written))

    def _live(self, item: Item) -> dict[str, Any]:
        found: dict[str, Any] = patient(lambda: self._docker.get(f"/services/{item.identifier}"))
        return found

    def _put(self, item: Item, spec: dict[str, Any]) -> dict[str, Any]:
        live = self._writer.update_service(item.identifier, spec)
        item.written = spec
        return live

    def go_back(self, baseline: Mapping[str, dict[str, Any]], remove: Iterable[str]) -> str:
        """Give the services of ``baseline`` these bound specs again and remove the others; what became of it.

        What goes wrong with one of them is told, and keeps none of the others from going back.
        """
        lines: list[str] = []
        removed, back = [], []
        for name in sorted(remove):
            self._run.progress(f"{name}: removed again, it never came up")
            with _told(lines, f"{name} could not be removed again"):
                self._writer.remove(self._items[name].path)
                removed.append(name)
        for item in [self._items[name] for name in reversed(self.started) if name in baseline]:
            self._run.progress(f"{item.name}: going back to the version before")
            with _told(lines, f"THE OLD VERSION OF {item.name} COULD NOT BE BROUGHT BACK"):
                live = self._put(item, update_specs.hurried(baseline[item.name]))
                item.spec, item.between = None, None
                item.aim = baseline[item.name]
                item.watch = self._watch(item, live, monitor=0.0, deadline=BACK_DEADLINE, tolerant=True)
                back.append(item)
        with _told(lines, "how the old version comes up can't be watched"):
            while not all(item.watch is None or item.watch.done or item.watch.failure for item in back):
                self._sight.look([item for item in back if item.watch and not item.watch.done])
                self._run.wait(POLL)
        good = []
        for item in back:
            with _told(lines, f"the update settings of {item.name} could not be put back; the next deploy does it"):
                self._put(item, baseline[item.name])
                self._queue_again(item, self._sight.tasks([item]))
            if item.watch and item.watch.failure:
                lines.append(f"THE OLD VERSION DID NOT COME BACK: {self._sight.explain(item)}")
            elif item.watch and item.watch.done:
                good.append(item.name)
        if good:
            names = ", ".join(sorted(good))
            lines.append(f"Gone back: {names} {'runs' if len(good) == 1 else 'run'} as before.")
        if removed:
            lines.append(f"Removed again, since there was no version before: {', '.join(removed)}.")
        return "\n".join(lines)

    def _may_start(self, item: Item) -> bool:
        for name, condition in item.settings["depends_on"].items():
            other = self._items.get(name)
            if other is None:
                continue
            if (
                other.watch is None
                or other.between is not None
                or (condition == "service_healthy" and not other.watch.settled)
            ):
                return False
        return True

    def _start(self, item: Item) -> None:
        tasks: list[dict[str, Any]] = []
        if item.live is not None:
            item.identifier = item.live["ID"]
            tasks = self._sight.tasks([item])
        # Before the write: whatever happens from here on has to be taken back.
        self.started.append(item.name)
        if self._place_anew(item) or self._double(item):
            return
        self._write(item, tasks, placement.wanted_tasks(item.live["Spec"], self._sight.nodes) if item.live else 0)

    def _double(self, item: Item) -> bool:
        """Give the old version a second task, if the service needs it for a safe update."""
        spec, live = item.spec, item.live
        if spec is None or live is None or not item.replaces or not item.settings["monitor"]:
            return False
        single = all((one["Mode"].get("Replicated") or {}).get("Replicas") == 1 for one in (spec, live["Spec"]))
        if not (single and spec["UpdateConfig"].get("Order") == "start-first"):
            return False
        template = live["Spec"]["TaskTemplate"]
        tasks = [placement.in_place(task, template, self._sight.nodes) for task in self._sight.tasks([item])]
        if not converged(tasks, template, 1):
            return False
        self._run.progress(f"{item.name}: a second task of the old version, to serve meanwhile")
        self._between(item, live["Spec"], 2, SECOND_DEADLINE)
        return True

    def _place_anew(self, item: Item) -> bool:
        """Go through another number of replicas, if the service's tasks are to be spread or queued anew."""
        if item.through is None or item.spec is None:
            return False
        self._run.progress(f"{item.name}: {item.through} tasks for a while, so that Swarm places them anew")
        self._between(item, item.spec, item.through, item.settings["deadline"])
        return True

    def _between(self, item: Item, spec: Mapping[str, Any], number: int, deadline: float) -> None:
        item.aim = update_specs.with_replicas(spec, number)
        live = self._put(item, dict(item.aim))
        item.between = number
        item.watch = self._watch(item, live, monitor=0.0, deadline=deadline, tolerant=False)

    def _after_between(self, item: Item) -> None:
        watch = item.watch
        if watch is None or not (watch.done or watch.failure or watch.stuck):
            return
        number, item.between = item.between or 0, None
        # Where there is no room for so many, it goes the plain way.
        self._write(item, self._sight.tasks([item]), number if watch.done else 1)

    def _write(self, item: Item, tasks: list[dict[str, Any]], before: int) -> None:
        spec, settings = item.spec, item.settings
        monitor, gated = settings["monitor"], False
        # An earlier run began to replace them, and ended before they had gone.
        old = self._sight.outdated(tasks, spec["TaskTemplate"]) if spec else []
        if spec is None:
            live = dict(item.live or {})
            item.written = live["Spec"]
        elif item.live is None:
            item.identifier = self._writer.create_service(spec)
            item.written = spec
            live = self._live(item)
        else:
            wanted = placement.wanted_tasks(spec, self._sight.nodes)
            replaces = item.replaces or bool(old)
            gated = replaces and monitor > 0 and before > 0 and (wanted > 1 or before > wanted == 1)
            if gated and not item.replaces:
                # It stands at the gate of that run. Any write now would let the next batch through.
                live = item.live
                item.written = live["Spec"]
            else:
                live = self._put(item, update_specs.gated(spec, max(wanted, 2), monitor) if gated else spec)
        item.aim = spec or live["Spec"]
        wanted = placement.wanted_tasks(item.aim, self._sight.nodes)
        template = live["Spec"]["TaskTemplate"]
        starts_none = not (item.replaces or old) and (
            wanted <= before if item.spec is not None and not item.resumes else converged(tasks, template, wanted)
        )
        item.watch = self._watch(
            item,
            live,
            monitor=0.0 if starts_none else monitor,
            deadline=settings["deadline"],
            tolerant=before == 0,
            gated=gated,
            seen=spare_tasks(tasks, None if item.replaces or wanted > before else template),
        )

    def _watch(
        self,
        item: Item,
        live: Mapping[str, Any],
        *,
        monitor: float,
        deadline: float,
        tolerant: bool,
        gated: bool = False,
        seen: frozenset[str] | None = None,
    ) -> Watch:
        item.paused = False
        return Watch(
            name=item.name,
            template=live["Spec"]["TaskTemplate"],
            wanted=placement.wanted_tasks(item.aim, self._sight.nodes),
            monitor=monitor,
            deadline=deadline,
            began=time.monotonic(),
            tolerant=tolerant,
            gated=gated,
            seen=spare_tasks(self._sight.tasks([item])) if seen is None else seen,
        )


@contextlib.contextmanager
def _told(lines: list[str], what: str) -> Iterator[None]:
    try:
        yield
    except DockerError as error:
        lines.append(f"{what}: {error.message}")
