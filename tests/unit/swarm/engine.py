# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manager's engine in memory, with a clock of its own: as much of Swarm as rollouts depend on, in milliseconds."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from ansible_collections.longshore.stack.plugins.module_utils import placement
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run
from ansible_collections.longshore.stack.plugins.module_utils.spec_diff import same_task
from ansible_collections.longshore.stack.plugins.module_utils.watch import ENDED

STEP = 0.1
LIMIT = 3600.0


@dataclass
class Image:
    """How a task of an image behaves; seconds. ``crash`` is how long one runs, by its task; ``stop`` how long it takes
    to end when it was asked to; ``job`` how long the command of a job runs."""

    start: float = 0.5
    crash: Callable[[dict[str, Any]], float | None] = lambda _task: None
    stop: float = 0.2
    job: float = 1.0
    code: int = 0


class Clock:
    """Stands in for the module ``time``; time passes only when somebody sleeps."""

    strptime = staticmethod(time.strptime)

    def __init__(self) -> None:
        self.now = 1000.0
        self.after: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += STEP
            self.after()
            assert self.now < LIMIT, "nothing ends it"


class Engine:
    """The engine. ``refuse(method, path, body)`` gives the words with which a call is refused, else nothing;
    ``each_step`` is called after every step of its time; ``full`` are the nodes that take no more tasks."""

    def __init__(self, clock: Clock, *servers: str, tags: tuple[str, ...] = ("app",)) -> None:
        self.clock = clock
        clock.after = self.step
        self.images: dict[str, Image] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.tasks: list[dict[str, Any]] = []
        self.refuse: Callable[[str, str, Any], str | None] = lambda _method, _path, _body: None
        self.each_step: Callable[[], None] = lambda: None
        self.full: set[str] = set()
        self._events: list[tuple[float, Callable[[], None]]] = []
        self._next = itertools.count(1)
        labels = {"longshore.shop.member": "true", **{f"longshore.shop.tag.{tag}": "true" for tag in tags}}
        self.nodes = [
            {
                "ID": f"n-{name}",
                "CreatedAt": "2025-01-01T00:00:00Z",
                "Spec": {"Availability": "active", "Labels": dict(labels), "Role": "manager"},
                "Status": {"State": "ready"},
                "Description": {"Hostname": name},
            }
            for name in servers
        ]

    # The API

    def clone(self, _timeout: float | None = None) -> Engine:
        return self

    def close(self) -> None: ...

    def raw(self, *_words: str, **_query: Any) -> bytes:
        return b""

    def get(self, path: str, **query: Any) -> Any:
        self._let("GET", path, None)
        filters = query.get("filters") or {}
        if path == "/nodes":
            return deepcopy(self.nodes)
        if path == "/tasks":
            wanted = [self._service(name)["ID"] for name in filters.get("service", [])]
            return deepcopy([task for task in self.tasks if not wanted or task["ServiceID"] in wanted])
        if path == "/services":
            found = list(self.services.values())
            if "id" in filters:
                found = [one for one in found if one["ID"] in filters["id"]]
            if "name" in filters:
                found = [one for one in found if one["Spec"]["Name"] in filters["name"]]
            return deepcopy(found)
        if path.startswith("/services/"):
            return deepcopy(self._service(path.split("/")[2]))
        if path in ("/configs", "/secrets", "/networks"):
            return []
        raise DockerError(404, f"not found: {path}")

    def post(self, path: str, body: Any = None, _headers: Any = None, **_query: Any) -> Any:
        self._let("POST", path, body)
        if path == "/services/create":
            identifier = f"s{next(self._next)}"
            self.services[identifier] = {
                "ID": identifier,
                "Spec": deepcopy(body),
                "Version": {"Index": 1},
                "CreatedAt": self._stamp(),
                "UpdatedAt": self._stamp(),
            }
            return {"ID": identifier}
        if path.endswith("/update") and path.startswith("/services/"):
            self._update(self._service(path.split("/")[2]), deepcopy(body))
            return None
        if path == "/configs/create":
            return {"ID": f"c{next(self._next)}"}
        raise DockerError(404, f"not found: {path}")

    def delete(self, path: str, **_query: Any) -> None:
        self._let("DELETE", path, None)
        service = self._service(path.split("/")[2])
        del self.services[service["ID"]]
        for task in self.tasks:
            if task["ServiceID"] == service["ID"]:
                self._ask(task, "remove")

    # What tests do to it

    def at(self, seconds: float, event: Callable[[], None]) -> None:
        """Let ``event`` happen in so many seconds."""
        self._events.append((self.clock.now + seconds, event))

    def node(self, server: str) -> dict[str, Any]:
        return next(node for node in self.nodes if node["ID"] == f"n-{server}")

    def kill(self, server: str) -> None:
        """Take the server's power, as the managers see it some seconds later."""
        self.node(server)["Status"]["State"] = "down"

    def boot(self, server: str) -> None:
        """The server is back; its engine tells how its tasks ended."""
        self.node(server)["Status"]["State"] = "ready"
        for task in self.tasks:
            if task.get("NodeID") == f"n-{server}" and task["Status"]["State"] not in ENDED:
                self._turn(task, "failed", "task: non-zero exit (137)", 137)

    def crash(self, task: dict[str, Any]) -> None:
        """The task ends by itself; Swarm starts another one."""
        self._turn(task, "failed", "task: non-zero exit (3)", 3)
        self._ask(task, "shutdown")

    def pause(self, name: str) -> None:
        """Let Swarm pause the update of a service."""
        self._service(f"shop_{name}")["UpdateStatus"] = {"State": "paused"}

    def say(self, state: str) -> None:
        """Let the managers say the same of every server."""
        for node in self.nodes:
            node["Status"] = {"State": state}

    def up(self, name: str, image: str = "") -> list[dict[str, Any]]:
        """The tasks of a service that run and are to run, of one image or all."""
        service = self._service(f"shop_{name}")
        return [
            task
            for task in self.tasks
            if task["ServiceID"] == service["ID"]
            and task["DesiredState"] == task["Status"]["State"] == "running"
            and image in ("", task["Spec"]["ContainerSpec"]["Image"])
        ]

    def settle(self, seconds: float = 20.0) -> None:
        """Let time pass."""
        self.clock.sleep(seconds)

    # Swarm

    def step(self) -> None:
        for event in [event for event in self._events if event[0] <= self.clock.now]:
            self._events.remove(event)
            event[1]()
        for service in self.services.values():
            self._orchestrate(service)
        for task in list(self.tasks):
            self._progress(task)
        self.each_step()

    def _let(self, method: str, path: str, body: Any) -> None:
        words = self.refuse(method, path, body)
        if words:
            raise DockerError(400, words)

    def _service(self, name: str) -> dict[str, Any]:
        for service in self.services.values():
            if name in (service["ID"], service["Spec"]["Name"]):
                return service
        raise DockerError(404, f"service {name} not found")

    def _update(self, service: dict[str, Any], spec: dict[str, Any]) -> None:
        working = bool(service.get("Flight"))
        if working and spec == service["Spec"]:
            return
        service["Spec"] = spec
        service["Version"]["Index"] += 1
        service["UpdatedAt"] = service["Written"] = self._stamp()
        service["UpdateStatus"] = None
        service["Flight"] = {}
        # A slot that has a task of the new spec keeps that one alone.
        for tasks in self._slots(service).values():
            clean = [task for task in tasks if not self._dirty(service, task)]
            if clean and clean[0]["DesiredState"] in ("running", "ready"):
                clean[0]["DesiredState"] = "running"
                for task in tasks:
                    if task is not clean[0]:
                        self._ask(task, "shutdown")
        # Swarm acts upon each write before it sees the next.
        self._orchestrate(service)

    def _orchestrate(self, service: dict[str, Any]) -> None:
        mode = service["Spec"]["Mode"]
        if "ReplicatedJob" in mode:
            if not any(task["ServiceID"] == service["ID"] for task in self.tasks):
                self._create(service, 1, "")
            return
        for task in self.tasks:
            lost = self._down(task["NodeID"])
            if task["ServiceID"] == service["ID"] and lost and task["DesiredState"] == "running":
                self._ask(task, "shutdown")
        slots = self._slots(service)
        if "Global" in mode:
            known = [{**node, "Status": {"State": "ready"}} for node in self.nodes if not self._down(node["ID"])]
            wanted: list[Any] = [node["ID"] for node in placement.eligible(known, service["Spec"])]
        else:
            number = mode["Replicated"]["Replicas"]
            held = self._held(slots, number)
            free = [slot for slot in range(1, 2 * number + 1) if slot not in held]
            wanted = [*held, *free[: number - len(held)]]
        for slot in wanted:
            if not slots.get(slot):
                self._create(service, slot, slot if "Global" in mode else "")
        for slot in [slot for slot in slots if slot not in wanted]:
            for task in slots.pop(slot):
                self._ask(task, "shutdown" if "Global" in mode else "remove")
        self._advance_update(service, slots)

    def _held(self, slots: dict[Any, list[dict[str, Any]]], number: int) -> list[Any]:
        """The slots that stay. When there are too many, those with two tasks or one without a node are taken first,
        then those that don't run and those of the fullest node."""
        ranks: dict[Any, tuple[bool, int, bool]] = {}
        crowd: Counter[str] = Counter()
        for slot, tasks in sorted(slots.items(), key=lambda one: (not self._serves(one[1]), one[0])):
            spare = len(tasks) > 1 or not tasks[0]["NodeID"]
            node = "" if spare else tasks[0]["NodeID"]
            ranks[slot] = (spare, 0 if spare else crowd[node], not self._serves(tasks))
            crowd[node] += 1
        return sorted(ranks, key=lambda slot: ranks[slot])[:number]

    def _advance_update(self, service: dict[str, Any], slots: dict[Any, list[dict[str, Any]]]) -> None:
        update = service["Spec"].get("UpdateConfig") or {}
        flight: dict[Any, dict[str, Any]] = service.setdefault("Flight", {})
        self._see_flight(service, update, flight)
        status = service.get("UpdateStatus") or {}
        if status.get("State") == "paused":
            return
        dirty = [
            slot
            for slot, tasks in sorted(slots.items())
            if slot not in flight and tasks and all(self._dirty(service, task) for task in tasks)
        ]
        self._note(service, "updating" if dirty or flight else "completed" if status else "")
        for slot in dirty[: (update.get("Parallelism") or len(dirty)) - len(flight)]:
            first = update.get("Order") == "start-first"
            old = slots[slot][0]
            if not first:
                self._ask(old, "shutdown")
            new = self._create(service, slot, old["NodeID"] if not isinstance(slot, int) else "")
            new["DesiredState"] = "running" if first else "ready"
            flight[slot] = {"new": new, "old": old, "since": 0.0}

    def _note(self, service: dict[str, Any], state: str) -> None:
        """Note how the update stands; as with every note, the service has changed then."""
        if state and state != (service.get("UpdateStatus") or {}).get("State"):
            service["UpdateStatus"] = {"State": state}
            service["UpdatedAt"] = self._stamp()

    def _see_flight(self, service: dict[str, Any], update: dict[str, Any], flight: dict[Any, dict[str, Any]]) -> None:
        for slot, one in list(flight.items()):
            new, old = one["new"], one["old"]
            if new["Status"]["State"] in ENDED and update.get("FailureAction") == "pause":
                service["UpdateStatus"] = {"State": "paused"}
            if old["Status"]["State"] in ENDED and new["DesiredState"] == "ready":
                new["DesiredState"] = "running"
            if new["Status"]["State"] == "running" and not one["since"]:
                one["since"] = self.clock.now
                self._ask(old, "shutdown")
            if one["since"] and self.clock.now - one["since"] >= (update.get("Delay") or 0) / 1e9:
                del flight[slot]

    def _progress(self, task: dict[str, Any]) -> None:
        if self._down(task.get("NodeID")):
            return
        image = self.images.get(task["Spec"]["ContainerSpec"]["Image"], Image())
        state, spent = task["Status"]["State"], self.clock.now - task["Since"]
        if task["DesiredState"] in ("shutdown", "remove"):
            if state not in ENDED and (state != "running" or self.clock.now - task["Asked"] >= image.stop):
                self._turn(task, "shutdown")
            if task["DesiredState"] == "remove" and task["Status"]["State"] in ENDED:
                self.tasks.remove(task)
        elif state == "pending" and "Forgotten" not in task:
            self._place(task)
        elif state == "starting" and spent >= image.start and task["DesiredState"] == "running":
            self._turn(task, "running")
        elif state == "running" and "Job" in task:
            if spent >= image.job:
                self._turn(task, "failed" if image.code else "complete", "exit" if image.code else "", image.code)
        elif state == "running" and (life := image.crash(task)) is not None and spent >= life:
            self.crash(task)

    def _place(self, task: dict[str, Any]) -> None:
        spec = {"TaskTemplate": task["Spec"]}
        most = (task["Spec"].get("Placement") or {}).get("MaxReplicas") or 0
        ports = {port["PublishedPort"] for port in task["Ports"]}
        holding = [one for one in self.tasks if one["Status"]["State"] not in ENDED]
        crowd = Counter(one["NodeID"] for one in holding if one["ServiceID"] == task["ServiceID"])
        for node in sorted(placement.eligible(self.nodes, spec), key=lambda node: crowd[node["ID"]]):
            if task["NodeID"] not in ("", node["ID"]):
                continue
            there = [one for one in holding if one["NodeID"] == node["ID"]]
            mine = [one for one in there if one["ServiceID"] == task["ServiceID"] and one is not task]
            taken = {port["PublishedPort"] for one in there if one is not task for port in one["Ports"]}
            if node["ID"] not in self.full and not (most and len(mine) >= most) and not taken & ports:
                task["NodeID"] = node["ID"]
                self._turn(task, "starting")
                return
        task["Status"]["Err"] = "no suitable node (none has room)"
        if self._service(task["ServiceID"]).get("Written", "") > task["CreatedAt"]:
            task["Forgotten"] = True

    def _slots(self, service: dict[str, Any]) -> dict[Any, list[dict[str, Any]]]:
        found: dict[Any, list[dict[str, Any]]] = {}
        for task in self.tasks:
            if task["ServiceID"] == service["ID"] and task["DesiredState"] in ("running", "ready"):
                found.setdefault(task.get("Slot") or task["NodeID"], []).append(task)
        return found

    def _create(self, service: dict[str, Any], slot: Any, node: str) -> dict[str, Any]:
        spec = service["Spec"]
        made = self._stamp()
        task: dict[str, Any] = {
            "ID": f"t{made}",
            "CreatedAt": made,
            "UpdatedAt": made,
            "ServiceID": service["ID"],
            "NodeID": node,
            "Spec": deepcopy(spec["TaskTemplate"]),
            "DesiredState": "running",
            "Status": {"State": "pending", "Timestamp": ""},
            "Ports": (spec.get("EndpointSpec") or {}).get("Ports") or [],
            "Since": self.clock.now,
            "Asked": 0.0,
        }
        if isinstance(slot, int):
            task["Slot"] = slot
        if "ReplicatedJob" in spec["Mode"]:
            task["Job"] = True
        self.tasks.append(task)
        return task

    def _stamp(self) -> str:
        """The next of the times at which the leader notes what comes and changes."""
        return f"{next(self._next):06}"

    def _serves(self, tasks: list[dict[str, Any]]) -> bool:
        return any(task["Status"]["State"] == "running" for task in tasks)

    def _dirty(self, service: dict[str, Any], task: dict[str, Any]) -> bool:
        template = service["Spec"]["TaskTemplate"]
        return not same_task(placement.in_place(task, template, self.nodes)["Spec"], template)

    def _down(self, node: str | None) -> bool:
        return any(one["ID"] == node and one["Status"]["State"] == "down" for one in self.nodes)

    def _ask(self, task: dict[str, Any], state: str) -> None:
        if task["DesiredState"] not in ("shutdown", "remove"):
            task["Asked"] = self.clock.now
        task["DesiredState"] = state

    def _turn(self, task: dict[str, Any], state: str, error: str = "", code: int = 0) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.clock.now))
        task["Status"] = {"State": state, "Timestamp": stamp, "Err": error, "ContainerStatus": {"ExitCode": code}}
        task["Since"] = self.clock.now


class Controller(Run):
    """The run, on the engine's clock. ``lines`` are its progress; ``cancel`` ends it at its next step."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("r1", "ann")
        self._clock = clock
        self.lines: list[str] = []
        self.cancel = False

    def check(self) -> None:
        if self.cancel and not self._to_the_end:
            raise Cancelled("cancelled by the operator")

    def progress(self, line: str) -> None:
        self.lines.append(line)

    def wait(self, seconds: float) -> None:
        self.check()
        self._clock.sleep(seconds)
        self.check()
