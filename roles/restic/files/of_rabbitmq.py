# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is backed up of a RabbitMQ: its definitions, not its messages; and a RabbitMQ that has them again.

Definitions are users, virtual hosts, permissions, queues, exchanges, bindings, policies and parameters, as the
management plugin gives and takes them: https://www.rabbitmq.com/docs/definitions
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import random
import secrets
import shutil
import signal
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keeper import Failed, Scratch, begun, last_words, piped

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds until one answers. Many thousands of queues take their time.
ANSWERING = 60.0
# Seconds until one that was told to has ended.
ENDING = 30.0
KINDS = (
    *("users", "vhosts", "permissions", "topic_permissions", "parameters", "global_parameters", "policies"),
    *("queues", "exchanges", "bindings"),
)
# What each cluster has of its own.
OWN = ("internal_cluster_id", "cluster_name")
# Who asks a restored one.
ASKER = "restored"
NOTHING = b'{"users": []}'
# What it writes into its log when it has started.
STARTED = "Server startup complete"
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
# Ports that a restored one needs, and among how many they are looked for.
PORTS, CHOICE = 3, 8000
SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
CONFIG = """
listeners.tcp = none
management.tcp.ip = 127.0.0.1
management.tcp.port = {port}
default_user = {user}
default_pass = {password}
log.console = true
log.file = false
vm_memory_high_watermark.absolute = 256MB
disk_free_limit.absolute = 50MB
"""


class Management:
    """The management of one server."""

    def __init__(self, connection: http.client.HTTPConnection, user: str, password: str) -> None:
        self.connection = connection
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.head = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The answer, of JSON. Raises ``Failed`` for any but a good one."""
        try:
            self.connection.request(method, f"/api/{path}", body, self.head)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"{self.connection.host} does not answer: {error}") from error
        finally:
            self.connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            reason = text.decode("utf-8", "replace")[:300]
            raise Failed(f"{self.connection.host}: {path} answers {answer.status}: {reason}")
        return json.loads(text or b"null")


def defined(answer: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Of what a RabbitMQ tells of its definitions what another one can have too, in an order that stays."""
    found = {}
    for kind in KINDS:
        those = [each for each in answer.get(kind, []) if kind != "global_parameters" or each["name"] not in OWN]
        found[kind] = sorted(those, key=lambda each: json.dumps(each, sort_keys=True))
    return found


class Database:
    """A cluster of RabbitMQ servers."""

    logged = False

    def __init__(self, name: str, settings: Mapping[str, Any], _log: Path) -> None:
        self.name = name
        self.settings = settings
        self.own = settings["stanzas"][name]

    def fetch(self) -> None:
        """Write its definitions to standard output, as any of its servers tells them."""
        why = f"no server of {self.name} is there"
        for address in self.own["servers"].values():
            context = ssl.create_default_context(cafile=self.settings["ca"])
            where = (address, self.own["health_port"])
            connection = http.client.HTTPSConnection(*where, timeout=ANSWERING, context=context)
            try:
                answer = Management(connection, self.own["user"], self.own["password"]).ask("GET", "definitions")
            except Failed as error:
                why = str(error)
            else:
                json.dump(defined(answer), sys.stdout, indent=1, sort_keys=True)
                return
        raise Failed(why)

    def follow(self) -> None:
        """It has no log that could be kept."""
        raise Failed(f"{self.name} has no log")

    def forget(self, _before: float) -> None:
        """Nothing is kept besides."""

    def problems(self) -> list[str]:
        """There are none of its own."""
        return []

    def scratch(self, keeper: Any, place: Path) -> Instance:
        """A RabbitMQ."""
        return Instance(keeper, self.name, place)


class Instance(Scratch):
    """A RabbitMQ without messages that only who may enter its directory can ask: there is the password."""

    def __init__(self, keeper: Any, name: str, place: Path) -> None:
        super().__init__(place)
        self.keeper, self.name = keeper, name
        self.file = place / "definitions.json"
        self.login = place / "login.json"

    def restore(self, at: str, label: str) -> None:
        """Have the definitions of a backup."""
        if at:
            raise Failed("of a RabbitMQ there are the moments of its backups only: --backup LABEL, see backup list")
        chosen = label or self.keeper.known(self.name)[-1]["label"]
        with self.file.open("wb") as file:
            piped([self.keeper.dump(self.name, chosen)], self.keeper.settings["environment"], file)

    def start(self) -> None:
        """Start it, and have it take them."""
        port, names, nodes = several_free()
        login = {"port": port, "names": names, "user": ASKER, "password": secrets.token_urlsafe(24)}
        self.login.write_text(json.dumps(login), "utf-8")
        config = self.place / "rabbitmq.conf"
        config.write_text(CONFIG.format(**login), "utf-8")
        plugins = self.place / "plugins"
        plugins.write_text("[rabbitmq_management].\n", "utf-8")
        (self.place / "curl").write_text(f'user = "{ASKER}:{login["password"]}"\n', "utf-8")
        environment = {
            "HOME": self.place,
            **self.names(),
            # Nothing of it is reached from elsewhere, nor seen by another RabbitMQ of this server.
            "ERL_AFLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_DIST_PORT": nodes,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": f"{ASKER}@localhost",
            "RABBITMQ_CONFIG_FILE": config,
            "RABBITMQ_ADVANCED_CONFIG_FILE": self.place / "advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": plugins,
            "RABBITMQ_MNESIA_BASE": self.data,
            "RABBITMQ_LOGS": "-",
        }
        # Erlang ends where it may not read the directory in which it is started.
        words = ["env", f"--chdir={self.place}", *(f"{name}={value}" for name, value in environment.items())]
        process = begun([*words, SERVER], self.log)
        (self.place / "pid").write_text(str(process.pid), "ascii")
        self.await_start(process, self.answers)
        try:
            self.ask("POST", "definitions", self.file.read_bytes())
        except Failed as error:
            words = last_words(self.log.read_text("utf-8", "replace"))
            size = self.file.stat().st_size
            raise Failed(f"{error}; it was given {size} bytes; its log ends with: {words}") from error

    def names(self) -> dict[str, Any]:
        """Where its own epmd is, which tells the ports of nodes."""
        return {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": json.loads(self.login.read_text("utf-8"))["names"]}

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """What it answers. Raises ``Failed``."""
        login = json.loads(self.login.read_text("utf-8"))
        connection = http.client.HTTPConnection("127.0.0.1", login["port"], timeout=ANSWERING)
        return Management(connection, login["user"], login["password"]).ask(method, path, body)

    def answers(self) -> bool:
        """Whether it does, and has all of its parts: the management takes requests before it can serve them all.

        Definitions of nothing are taken once it can read any: right after a start sound ones were refused, as no JSON.
        """
        if STARTED not in self.log.read_text("utf-8", "replace"):
            return False
        try:
            self.ask("GET", "overview")
            self.ask("POST", "definitions", NOTHING)
        except Failed:
            return False
        return True

    def rows(self) -> dict[str, int]:
        """Kind → how many of the backup it has. Raises ``Failed`` unless it has all of them, each as it was."""
        backed_up = defined(json.loads(self.file.read_text("utf-8")))
        there = defined(self.ask("GET", "definitions"))
        for kind, those in backed_up.items():
            for each in those:
                if each not in there[kind]:
                    words = {name: each[name] for name in ("name", "user", "vhost", "source") if name in each}
                    raise Failed(f"it does not take one of the {kind}: {json.dumps(words)}")
        return {kind: len(those) for kind, those in backed_up.items() if those}

    def check(self) -> None:
        """It knows no SQL."""

    def stop(self) -> None:
        """Stop it."""
        pid = self.runs()
        if pid is None:
            return
        os.killpg(pid, signal.SIGTERM)
        until = time.monotonic() + ENDING
        while self.runs() is not None and time.monotonic() < until:
            time.sleep(0.1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)

    def runs(self) -> int | None:
        """Its process. The number in its file may be another one's by now."""
        try:
            pid = int((self.place / "pid").read_text("ascii"))
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if f"RABBITMQ_MNESIA_BASE={self.data}".encode() in environment else None

    def checksums(self) -> None:
        """Those of the file are restic's, which reads nothing that is damaged."""

    def remove(self) -> None:
        """End it, with what it has begun, and remove all of it."""
        self.stop()
        if self.login.exists():
            with contextlib.suppress(Failed):
                piped([["epmd", "-kill"]], {name: str(value) for name, value in self.names().items()})
        shutil.rmtree(self.place, ignore_errors=True)

    ending = "json"

    def artefact(self) -> list[list[str]]:
        """The definitions, which each RabbitMQ takes: `rabbitmqctl import_definitions`."""
        return [["cat", str(self.file)]]

    def told(self) -> dict[str, Any]:
        """How it is asked."""
        port = json.loads(self.login.read_text("utf-8"))["port"]
        url = f"http://127.0.0.1:{port}/api/definitions"
        return {"socket": f"127.0.0.1:{port}", "ask": f"curl -sK {self.place}/curl {url}"}


def several_free() -> list[int]:
    """Ports of the loopback that nobody has, below those that the system gives to whoever asks for any."""
    lowest = int(EPHEMERAL.read_text("ascii").split()[0])
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        for port in random.sample(range(lowest - CHOICE, lowest), CHOICE):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == PORTS:
                return found
    raise Failed("there are no free ports")
