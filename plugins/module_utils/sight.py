# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of the services that are on their way: their tasks, the servers, and what Swarm notes about updates.

Private to the collection. It only reads.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field

from ansible_collections.longshore.stack.plugins.module_utils import explain, overrides, placement
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import mask
from ansible_collections.longshore.stack.plugins.module_utils.spec_diff import same_task
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import patient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run
    from ansible_collections.longshore.stack.plugins.module_utils.watch import Watch

# So often servers and Swarm's own notes about the updates are read; seconds.
REREAD = 2.0


@dataclass
class Item:
    """One service on its way: ``live`` the engine's object or None, ``spec`` the bound spec to give it (None: only
    watch), ``settings`` with monitor, deadline and depends_on, ``replaces`` whether tasks are replaced, ``resumes``
    whether an earlier run began it, ``through`` a number of replicas to go through, if any. ``written`` is what Swarm
    was given last, ``aim`` the spec that says how many tasks are wanted, ``between`` the number of replicas in
    between, if any, ``paused`` whether Swarm paused the update, ``late`` whether it is watched once more since a server
    came back."""

    name: str
    live: dict[str, Any] | None
    spec: dict[str, Any] | None
    settings: Mapping[str, Any]
    replaces: bool
    resumes: bool
    through: int | None = None
    identifier: str = ""
    watch: Watch | None = None
    written: dict[str, Any] | None = None
    aim: Mapping[str, Any] = field(default_factory=dict)
    opened: bool = False
    between: int | None = None
    paused: bool = False
    late: bool = False
    renewals: int = 0
    renewed: float = 0.0

    @property
    def path(self) -> str:
        """The engine's path of the service; by name when its creation was refused, or the answer was lost."""
        return f"/services/{self.identifier or (self.spec or {}).get('Name', '')}"

    @property
    def final(self) -> dict[str, Any]:
        """The spec that the service has when all is done."""
        return self.spec if self.spec is not None else dict((self.live or {})["Spec"])


class Sight:
    """The cluster as seen from a manager. ``nodes`` are kept up to date while looking."""

    def __init__(self, docker: Docker, run: Run, stack: str, nodes: list[dict[str, Any]], secrets: list[str]) -> None:
        self._docker = docker
        self._run = run
        self._stack = stack
        self._secrets = secrets
        self._said: dict[str, str] = {}
        self._read = 0.0
        self.nodes = nodes

    def lacks(self, item: Item) -> str:
        """What of the service waits for a server that is away, and for which; empty when nothing does."""
        away = placement.away(self.nodes, item.aim)
        down = [node for node in away if node["ID"] in placement.gone(self.nodes)]
        lacking = item.watch.lacking if item.watch else 0
        if not lacking and not (down and "Global" in item.aim["Mode"]):
            return ""
        servers = placement.server_names(self._stack, self.nodes)
        names = ", ".join(sorted(servers[node["ID"]] for node in (away if lacking else down)))
        number = lacking or len(down)
        return (
            f"service {item.name}: {number} of its tasks {'waits' if number == 1 else 'wait'} for a server that is "
            f"away ({names}); started there when it is back"
        )

    def tasks(self, items: list[Item]) -> list[dict[str, Any]]:
        """The engine's tasks of these services."""
        wanted = [item.identifier for item in items]
        found: list[dict[str, Any]] = patient(lambda: self._docker.get("/tasks", filters={"service": wanted}))
        return found

    def outdated(self, tasks: list[dict[str, Any]], template: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The tasks that are to run, on servers that live, and are not of ``template``."""
        gone = placement.gone(self.nodes)
        meant = [task for task in tasks if task["DesiredState"] == "running" and task.get("NodeID") not in gone]
        return [
            task
            for task in meant
            if not same_task(placement.in_place(task, template, self.nodes).get("Spec"), template)
        ]

    def _reread(self, items: list[Item]) -> None:
        """Learn, every now and then, which servers live and which updates Swarm has paused."""
        now = time.monotonic()
        if self._read and now - self._read < REREAD:
            return
        self._read = now
        self.nodes = placement.heard(self.nodes, patient(lambda: self._docker.get("/nodes")))
        wanted = [item.identifier for item in items]
        services = patient(lambda: self._docker.get("/services", filters={"id": wanted}))
        states = {one["ID"]: (one.get("UpdateStatus") or {}).get("State") for one in services}
        for item in items:
            item.paused = states.get(item.identifier) == "paused"

    def look(self, items: list[Item]) -> None:
        """Judge each of them once more."""
        if not items:
            return
        self._reread(items)
        tasks, gone = self.tasks(items), placement.gone(self.nodes)
        servers = placement.server_names(self._stack, self.nodes)
        for item in items:
            watch = item.watch
            if watch is None:
                continue
            watch.wanted = placement.wanted_tasks(item.aim, self.nodes)
            stopped = (item.aim.get("Labels") or {}).get(overrides.STOPPED)
            watch.nowhere = watch.wanted == 0 and "Global" in item.aim["Mode"] and not stopped
            mine = [
                placement.in_place(task, watch.template, self.nodes)
                for task in tasks
                if task["ServiceID"] == item.identifier
            ]
            away = bool(placement.away(self.nodes, item.aim))
            watch.look(time.monotonic(), mine, servers, gone=gone, away=away)
            if self._said.get(item.name) != watch.words:
                self._said[item.name] = watch.words
                self._run.progress(watch.words)

    def explain(self, item: Item) -> str:
        """Why it failed, as far as the engine can say; empty when it did not."""
        watch = item.watch
        if watch is None or watch.failure is None:
            return ""
        spec, nodes = item.written or item.aim, self.nodes
        with contextlib.suppress(DockerError):
            spec = self._docker.get(f"/services/{item.identifier}")["Spec"]
            nodes = self._docker.get("/nodes")
        place = explain.Place(self._docker, self._stack, nodes, self._secrets)
        try:
            return explain.explain(place, item.name, watch.failure, spec)
        except DockerError as error:
            why = ((watch.failure.task or {}).get("Status") or {}).get("Err") or watch.failure.kind
            return mask(
                f"service {item.name}: did not come up ({why}); more can't be read: {error.message}", self._secrets
            )
