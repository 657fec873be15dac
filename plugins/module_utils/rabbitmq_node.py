# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instances of RabbitMQ on a server: started, told what is new, restarted while the others serve, taken out.

Private to the collection.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time

from .host_change import HostError, attempt, last_lines, run
from .host_files import read, replace
from .rabbitmq_api import Management
from .rabbitmq_users import plan
from .settings_text import OWN
from .waiting import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Any

    from .data_place import Place
    from .run import Run

CONFIG = "/etc/rabbitmq/instances"
DATA = "/var/lib/rabbitmq"
PROGRAMS = "/usr/lib/rabbitmq/bin"
UNIT = "/etc/systemd/system/rabbitmq-instance@.service"
# How data that were put aside are called.
ASIDE = "former-%Y%m%d-%H%M%S"
# What a server without data reads, and nobody else.
FORMING = ("cluster_formation.", "default_user ", "default_pass ")
# Seconds: until one has ended, until the others can do without one, until a copy of a queue is there.
STOPPING, SPARING, COPYING = 330.0, 120.0, 300.0
# Three survive the loss of one.
LEAST = 3


class Node:
    """One instance of this server; the file ``/etc/rabbitmq/instances/<name>.json`` says how it is reached.

    ``reached`` are the servers that this run works on, ``deadline`` (in seconds) is until when it must serve.
    """

    def __init__(self, name: str, work: Run, reached: Sequence[str] = (), deadline: float = 600.0) -> None:
        self.name = name
        self._work = work
        self._deadline = deadline
        self._place: dict[str, Any] = json.loads(text(f"{CONFIG}/{name}.json") or "{}")
        self.own = self._place.get("name", "")
        self._reached = [each for each in self._place.get("servers", []) if each in reached]
        self.unit = f"rabbitmq-instance@{name}.service"
        where = (self._place.get("address", ""), self._place.get("health_port", 0))
        authority = self._place.get("authority", "")
        user, password = self._place.get("user", "admin"), self._place.get("admin", "")
        self.management = Management(where, authority, user, password)
        self._applied = f"{DATA}/{name}/applied"

    def digest(self) -> str:
        """Stands for the files that it runs with. It reads certificates, addresses and users anew by itself."""
        lines = text(f"{CONFIG}/{self.name}.conf").splitlines()
        texts = ["\n".join(line for line in lines if not line.startswith((*FORMING, OWN))), text(UNIT)]
        texts += [text(f"{CONFIG}/{self.name}.{ending}") for ending in ("env", "dist", "inetrc", "plugins")]
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()

    def running(self) -> bool:
        """Whether it runs or is about to."""
        return run(["systemctl", "show", "--property=ActiveState", "--value", self.unit]).strip() != "inactive"

    def due(self) -> bool:
        """Whether it needs a restart for what its files say."""
        return self.running() and text(self._applied).strip() != self.digest()

    def serves(self) -> bool:
        """Whether it takes clients."""
        return self.management.good(f"port-listener/{self._place.get('port', 0)}")

    def converge(self, check: bool) -> Iterator[str]:
        """Have it run, and the cluster hold what it has to; gives what is done, a few words each."""
        if not self.running():
            yield "start"
            if check:
                return
            self._start()
        if not check:
            self._await()
            self._meet()
        elif not self.serves():
            return
        # One of them is enough to tell all.
        if self._reached[:1] != [self.own]:
            return
        for change in plan(self.management, self._place):
            yield change.what
            if not check:
                self._work.check()
                change.apply()

    def restart(self) -> None:
        """Restart it, once the others can do without it. Its queues are led by others before it ends."""
        if len(self.nodes()) > 1:
            self._spare()
        with self._work.to_the_end():
            if len(self.nodes()) > 1:
                self._program("rabbitmq-upgrade", "drain")
            run(["systemctl", "stop", self.unit], timeout=STOPPING)
            self._start()
        self._await()

    def size(self) -> int:
        """How many servers it is to have."""
        return len(self._place.get("servers", []))

    def move(self, place: Place, directory: str) -> None:
        """Move its data to another directory, once the others can do without it."""

        def ready() -> None:
            if len(self.nodes()) > 1:
                self._spare()
                self._program("rabbitmq-upgrade", "drain")

        place.move(directory, ready, self._start)
        self._await()

    def nodes(self) -> dict[str, bool]:
        """The servers of the cluster, and whether each runs."""
        found = self.management.get("nodes") or []
        return {_server(each["name"]): bool(each.get("running")) for each in found}

    def status(self) -> dict[str, Any]:
        """What the module ``rabbitmq_info`` tells. Raises ``HostError`` when it does not answer."""
        nodes = self.management.get("nodes") or []
        own: dict[str, Any] = next((each for each in nodes if _server(each["name"]) == self.own), {})
        overview = self.management.get("overview") or {}
        running = {_server(each["name"]) for each in nodes if each.get("running")}
        queues = self._queues()
        alarms = [word for word, key in (("memory", "mem_alarm"), ("disk", "disk_free_alarm")) if own.get(key)]
        partitions = sorted(map(_server, own.get("partitions") or []))
        connections = self.management.get("connections") or []
        return {
            "role": "member",
            "server": self.own,
            "state": ", ".join([*(f"{word} alarm" for word in alarms), *(["partition"] if partitions else [])])
            or "running",
            "alarms": alarms,
            "partitions": partitions,
            "version": overview.get("rabbitmq_version", ""),
            "size": int(own.get("mem_used") or 0),
            "connections": sum(_server(each.get("node", "")) == self.own for each in connections),
            "connections_limit": int(own.get("sockets_total") or own.get("fd_total") or 0),
            "queues": len(queues),
            "leads": sum(_server(str(each.get("leader", ""))) == self.own for each in queues),
            "without_quorum": sorted(each["name"] for each in queues if not has_majority(each, running)),
        }

    def strangers(self) -> list[str]:
        """Servers of the cluster that are none any more; one of its servers is enough to tell."""
        if self._reached[:1] != [self.own] or not self.serves():
            return []
        return sorted(set(self.nodes()) - set(self._place["servers"]))

    def release(self, server: str, *, lost: bool, check: bool) -> None:
        """Have the others keep what ``server`` keeps of quorum queues. Raises ``HostError`` where that can't be.

        ``lost``: it is gone for good, and must not run.
        """
        nodes = self.nodes()
        if server not in nodes:
            return
        if lost and nodes[server]:
            raise HostError(f"{self.name}: the RabbitMQ of {server} runs, so it is not lost")
        staying = [name for name in nodes if name != server]
        self._may_leave(server, {name: nodes[name] for name in staying}, 1 if lost else LEAST)
        if check:
            return
        for queue in self._queues():
            members = [_server(each) for each in queue["members"]]
            if queue["type"] != "quorum" or server not in members:
                continue
            self._work.check()
            more = next((name for name in staying if name not in members), "")
            if more:
                self._member("POST", queue, "add", more)
                until(functools.partial(self._copied, queue, more), COPYING, self._work)
            self._member("DELETE", queue, "delete", server)

    def leave(self) -> None:
        """End it for good. Its data are put aside: with them it would not come into the cluster again."""
        run(["systemctl", "disable", "--quiet", self.unit])
        with self._work.to_the_end():
            run(["systemctl", "stop", self.unit], timeout=STOPPING)
            home = f"{DATA}/{self.name}"
            if os.path.exists(f"{home}/data"):
                os.rename(f"{home}/data", f"{home}/{time.strftime(ASIDE, time.gmtime())}")

    def forget(self, server: str) -> None:
        """Count a server that has ended no more."""
        if server in self.nodes():
            self._program("rabbitmqctl", "forget_cluster_node", f"{self.name}@{server}")

    def _may_leave(self, server: str, staying: dict[str, bool], least: int) -> None:
        if len(staying) < least:
            raise HostError(
                f"{self.name}: without {server} there would be {len(staying)} servers, which survive no loss; "
                "add one first"
            )
        away = [name for name, running in staying.items() if not running]
        if away:
            raise HostError(f"{self.name}: {', '.join(away)} does not run; bring it back first, or remove that one")
        for queue in self._queues():
            members = {_server(each) for each in queue.get("members") or [queue["node"]]}
            if server not in members:
                continue
            title = f"{self.name}: the queue {queue['name']} of {queue['vhost']}"
            if queue["type"] != "quorum":
                raise HostError(f"{title}, of type {queue['type']}, is kept by {server}; move or delete it first")
            if len(members & set(staying)) * 2 <= len(members):
                raise HostError(f"{title} has no majority of its servers without {server}")

    def _queues(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.management.get("queues") or []
        return found

    def _member(self, method: str, queue: dict[str, Any], verb: str, server: str) -> None:
        path = ("queues", "quorum", queue["vhost"], queue["name"], "replicas", verb)
        self.management.change(method, *path, body={"node": f"{self.name}@{server}"})

    def _copied(self, queue: dict[str, Any], server: str) -> bool:
        found = self.management.get("queues", queue["vhost"], queue["name"])
        # One that is deleted meanwhile needs no copy.
        return found is None or f"{self.name}@{server}" in (found.get("online") or [])

    def _spare(self) -> None:
        """Wait until queues and cluster have a majority without this server."""

        def spare() -> bool:
            others = [running for name, running in self.nodes().items() if name != self.own]
            return sum(others) * 2 > len(others) + 1 and self.management.good("node-is-quorum-critical")

        try:
            until(spare, SPARING, self._work)
        except HostError as error:
            words = "a restart would leave the cluster or a queue without a majority"
            raise HostError(f"{self.name}: {words}; see longshore db status") from error

    def _start(self) -> None:
        home = os.stat(f"{DATA}/{self.name}")
        replace(self._applied, f"{self.digest()}\n".encode(), 0o600, (home.st_uid, home.st_gid))
        run(["systemctl", "enable", "--quiet", self.unit])
        run(["systemctl", "start", "--no-block", self.unit])

    def _await(self) -> None:
        """Wait until it takes clients."""
        try:
            until(self.serves, self._deadline, self._work)
        except HostError as error:
            _code, log, _error = attempt(["journalctl", "--no-pager", "-o", "cat", "-n", "8", "-u", self.unit])
            raise HostError(
                f"{self.name} does not serve after {self._deadline:.0f} s. Its log ends: {last_lines(log)}"
            ) from error

    def _meet(self) -> None:
        """Wait until all servers that this run works on are in one cluster."""

        def met() -> bool:
            nodes = self.nodes()
            return all(nodes.get(server) for server in self._reached)

        try:
            until(met, self._deadline, self._work)
        except HostError as error:
            away = ", ".join(server for server in self._reached if not self.nodes().get(server))
            words = f"not in the cluster of {self.own} after {self._deadline:.0f} s: {away}"
            raise HostError(f"{self.name}: {words}") from error

    def _program(self, program: str, *words: str) -> None:
        """Run a program of RabbitMQ, which speaks with the node as another one would, by TLS and with its cookie."""
        lines = text(f"{CONFIG}/{self.name}.env").splitlines()
        environment = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        # Erlang looks into the directory that it starts in, and would leave its memory there when it fails.
        own = ("--chdir=/", "ERL_CRASH_DUMP_SECONDS=0", f"HOME={environment['HOME']}")
        argv = ["runuser", "-u", "rabbitmq", "--", "env", *own]
        run([*argv, f"{PROGRAMS}/{program}", *words], environment=environment, timeout=STOPPING)


def text(path: str) -> str:
    """A file's text; empty when there is none."""
    return (read(path) or b"").decode()


def has_majority(queue: Mapping[str, Any], running: Collection[str]) -> bool:
    """Whether most of the servers that keep a queue run."""
    members = [_server(each) for each in queue.get("members") or [queue.get("node", "")]]
    return sum(each in running for each in members) * 2 > len(members)


def _server(node: str) -> str:
    return node.partition("@")[2]
