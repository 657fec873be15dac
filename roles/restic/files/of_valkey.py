# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is backed up of a Valkey: its data at a moment, as a replica gets them; and a Valkey that has them again."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keeper import Failed, Scratch, begun, copied, piped, run

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds until a server says what it is.
ANSWERING = "3"
# Of a database in INFO: its keys.
KEYS = re.compile(r"^(db\d+):keys=(\d+)", re.MULTILINE)


class Database:
    """A group of Valkey servers."""

    logged = False

    def __init__(self, name: str, settings: Mapping[str, Any], _log: Path) -> None:
        self.name = name
        self.settings = settings
        self.own = settings["stanzas"][name]

    def fetch(self) -> None:
        """Write all of the data to standard output. From a replica where there is one."""
        argv = [*self.cli(self.chosen(), "replication"), "--rdb", "-"]
        password = {"REDISCLI_AUTH": self.own["password"]}
        if not self.own["bandwidth"]:
            os.execvpe(argv[0], argv, {**os.environ, **password})  # noqa: S606 - no shell is wanted
        # A Valkey keeps what is written meanwhile for who takes its snapshot, and gives up on who is slow.
        with tempfile.TemporaryFile(dir=self.settings["directory"]) as file:
            piped([argv], password, file)
            file.seek(0)
            copied(file, sys.stdout.buffer, self.own["bandwidth"])

    def chosen(self) -> str:
        """Whose data are taken."""
        roles = {}
        for address in self.own["servers"].values():
            argv = ["timeout", ANSWERING, *self.cli(address, "router"), "ROLE"]
            words = run(argv, check=False, environment={"REDISCLI_AUTH": "none"}).splitlines()
            # A replica that does not follow has old data.
            if words[:1] == ["master"] or (words[:1] == ["slave"] and "connected" in words):
                roles[words[0]] = address
        if not roles:
            raise Failed(f"no server of {self.name} answers")
        return roles.get("slave") or roles["master"]

    def cli(self, address: str, user: str) -> list[str]:
        """The command that asks one."""
        return [
            *("valkey-cli", "--tls", "--cacert", self.settings["ca"], "-h", address, "-p", str(self.own["port"])),
            *("--user", user, "--no-auth-warning"),
        ]

    def follow(self) -> None:
        """It has no log that could be kept."""
        raise Failed(f"{self.name} has no log")

    def forget(self, _before: float) -> None:
        """Nothing is kept besides."""

    def problems(self) -> list[str]:
        """There are none of its own."""
        return []

    def scratch(self, keeper: Any, place: Path) -> Instance:
        """A Valkey."""
        return Instance(keeper, self.name, place)


class Instance(Scratch):
    """A restored Valkey."""

    def __init__(self, keeper: Any, name: str, place: Path) -> None:
        super().__init__(place)
        self.keeper, self.name = keeper, name
        self.socket = place / "socket"
        self.file = self.data / "dump.rdb"

    def restore(self, at: str, label: str) -> None:
        """Have the data of a backup."""
        if at:
            raise Failed("of a Redis there are the moments of its backups only: --backup LABEL, see backup list")
        chosen = label or self.keeper.known(self.name)[-1]["label"]
        with self.file.open("wb") as file:
            piped([self.keeper.dump(self.name, chosen)], self.keeper.settings["environment"], file)

    def start(self) -> None:
        """Start it, and wait until it has read its data."""
        # The same program is called so in the package of the server, which would start one of its own.
        program = self.place / "valkey-server"
        program.symlink_to("/usr/bin/valkey-check-rdb")
        options = {
            "port": "0",
            "unixsocket": self.socket,
            "dir": self.data,
            "dbfilename": self.file.name,
            "appendonly": "no",
            "save": "",
        }
        argv = [str(program), *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
        self.await_start(begun(argv, self.log), lambda: run([*self.cli(), "PING"], check=False).strip() == "PONG")

    def cli(self) -> list[str]:
        """The command that asks it."""
        return ["valkey-cli", "-s", str(self.socket)]

    def rows(self) -> dict[str, int]:
        """Database → keys."""
        found = run([*self.cli(), "INFO", "keyspace"])
        return {name: int(keys) for name, keys in KEYS.findall(found)}

    def check(self) -> None:
        """It knows no SQL."""

    def stop(self) -> None:
        """Stop it, and keep the file as it was."""
        run([*self.cli(), "SHUTDOWN", "NOSAVE"], check=False)

    def checksums(self) -> None:
        """Of the file."""
        run(["valkey-check-rdb", self.file])

    def remove(self) -> None:
        """End it, and remove all of it."""
        if self.socket.exists():
            self.stop()
        shutil.rmtree(self.place, ignore_errors=True)

    ending = "rdb"

    def artefact(self) -> list[list[str]]:
        """The snapshot, which a Valkey or Redis reads when it starts."""
        return [["cat", str(self.file)]]

    def told(self) -> dict[str, Any]:
        """How it is asked."""
        return {"socket": str(self.socket), "ask": f"valkey-cli -s {self.socket}"}
