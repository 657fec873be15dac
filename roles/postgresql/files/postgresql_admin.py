# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL of this server, asked by its owner. Written by the role longshore.stack.postgresql."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import yaml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

# Bytes that stay free whatever is loaded: what serves needs them.
SPARE = 256 << 20
OWNER = "select pg_get_userbyid(datdba) from pg_database where datname = {}"


class Failed(Exception):
    """What went wrong, in a few lines."""


class Instance:
    """The PostgreSQL of this server that Patroni knows by this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        found: dict[str, Any] = yaml.safe_load(Path(f"/etc/patroni/{name}.yml").read_text("utf-8"))["postgresql"]
        self.bin = found["bin_dir"]
        self.data = found["data_dir"]
        self.port = str(found["listen"]).rpartition(":")[2]

    def call(self, program: str, *words: str, given: Any = None, text: str | None = None) -> str:
        """The output of a program of PostgreSQL, as its owner. Raises ``Failed`` with its last words."""
        argv = self.argv(program, *words)
        done = subprocess.run(argv, stdin=given, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise failure(program, done.returncode, done.stderr)
        return done.stdout.strip()

    def argv(self, program: str, *words: str) -> list[str]:
        """The command that has a program ask it."""
        start = ["runuser", "-u", "postgres", "--", f"{self.bin}/{program}", "-h", "/run/postgresql", "-p", self.port]
        return [*start, *words]

    def load(
        self, program: str, *words: str, given: Any = None, feed: Callable[[IO[bytes]], None] | None = None
    ) -> None:
        """Have a program load what it reads, or what ``feed`` writes. Raises ``Failed``, also when the disk fills."""
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                self.argv(program, *words),
                stdin=subprocess.PIPE if feed else given,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            thread = threading.Thread(target=self.fed, args=(feed, process.stdin)) if feed else None
            if thread:
                thread.start()
            full = False
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = process.wait(1.0)
                    break
                if self.free() < SPARE and not full:
                    full = True
                    process.terminate()
            if thread:
                thread.join()
            errors.seek(0)
            if full:
                raise Failed(f"{self.data} has {self.free() >> 20} MB left, so it was stopped")
            if code != 0:
                raise failure(program, code, errors.read().decode("utf-8", "replace"))

    @staticmethod
    def fed(feed: Callable[[IO[bytes]], None], sink: IO[bytes]) -> None:
        """Write to a program, which says itself why it takes no more."""
        with contextlib.suppress(BrokenPipeError), sink:
            feed(sink)

    def free(self) -> int:
        """Bytes that its disk has left."""
        return shutil.disk_usage(self.data).free

    def sql(self, text: str, database: str = "postgres") -> str:
        """What statements give, unaligned."""
        return self.call("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-", text=text)

    def owner(self, database: str) -> str:
        """Whose it is. Raises ``Failed`` when there is none, or this server is not primary."""
        if self.sql("select pg_is_in_recovery()") != "f":
            raise Failed("this server is not primary any more")
        owner = self.sql(OWNER.format(literal(database)))
        if not owner:
            raise Failed(f"there is no database {database}")
        return owner


def identifier(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def failure(program: str, code: int, errors: str) -> Failed:
    """The last words of a program."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return Failed(f"{program}: " + (" | ".join(lines[-4:])[-600:] or f"ended with {code}"))
