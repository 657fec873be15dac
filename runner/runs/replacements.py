# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup or a dump holds, put in the place of a database that serves.

A backup, of the same stack or of another one, the backup server restores, checks and sends, as for a download. The
primary makes a database of what comes, beside the one that serves. Only when all came, and of a backup every table has
its rows, the two exchange names.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from longshore.runs.downloads import SSH_FAILED, DownloadError, received
from longshore.runs.dumps import Dump

# Engine → what does a part of it on the primary.
PROGRAMS = {
    "postgresql": "/usr/lib/longshore/postgresql-replacement",
    "mariadb": "/usr/lib/longshore/mariadb-replacement",
}
# Of a MariaDB, and the last line of what it is sent.
FILLING, SENT = "/usr/lib/longshore/mariadb-import", b"\n-- longshore: all of it was sent\n"


class ReplacementError(Exception):
    """Why the database is the one that it was, in a few lines."""


class UnknownError(ReplacementError):
    """Why nobody knows which of the two serves; how to see it, in a few lines."""


@dataclass(frozen=True)
class Target:
    """The database whose place is taken.

    Attributes: ``instance`` (as its server calls it), ``database``, ``at`` (gives the words that run a command as root
    on its primary), the ``program`` there that does a part of it, and ``engine``.
    """

    instance: str
    database: str
    at: Callable[[Sequence[str]], list[str]]
    program: str
    engine: str

    def own(self, rows: dict[str, int]) -> dict[str, int]:
        """Of the rows of all that is in an instance, by table, those of this logical database."""
        if self.engine == "mariadb":
            return {table: count for table, count in rows.items() if table.startswith(f"{self.database}.")}
        return {table: count for table, count in rows.items() if ":" not in table}

    def argv(self, command: str, *names: str) -> list[str]:
        """The words that have its server do a part of it."""
        return self.at(["/usr/bin/python3", self.program, self.instance, command, self.database, *names])

    def tell(self, command: str, *names: str, given: str = "") -> dict[str, Any]:
        """The server's answer. Raises ``ReplacementError`` with its words."""
        done = subprocess.run(self.argv(command, *names), input=given, capture_output=True, text=True, check=False)
        return _answer(done.returncode, done.stdout, done.stderr)


# Writes what is loaded; what it tells of it, if anything: ``rows`` by table, and more.
Send = Callable[[BinaryIO], dict[str, Any]]


def replace(source: Sequence[str], target: Target, sql: str, seen: Callable[[int], None]) -> dict[str, Any]:
    """Put what ``source``, a command, sends in the place of a database, after ``sql`` was run in it.

    Gives ``rows`` by table, ``until`` (the last that was written to it), ``kept`` (what the former database is called
    now), ``closed`` (seconds without sessions; None where the answer was lost). ``seen`` is called with the number of
    bytes so far. Raises ``ReplacementError``; then, as with any other exception but ``UnknownError``, the database is
    the one that it was.
    """

    def send(sink: BinaryIO) -> dict[str, Any]:
        told = received(source, sink, seen)
        return {**told, "rows": target.own(told["rows"])}

    return _put(("load",), send, target, sql)


def take(dump: Dump, target: Target, sql: str, seen: Callable[[int], None]) -> dict[str, Any]:
    """The same with a dump of any database, of which nobody tells what is in it. Raises as ``replace`` does."""
    return _put(("import", dump.kind), lambda sink: dump.send(sink, seen), target, sql)


def fill(dump: Dump, target: Target, sql: str, seen: Callable[[int], None]) -> dict[str, Any]:
    """Put what a dump holds, changed by ``sql``, into a database of a MariaDB, which is empty.

    Gives ``rows`` by table. Raises ``ReplacementError``; then, as with any other exception, it is empty.
    """

    def send(sink: BinaryIO) -> dict[str, Any]:
        dump.send(sink, seen)
        sink.write(f"\n{sql}".encode() + SENT)
        return {}

    return _loaded(("import",), send, target, "")


def _put(how: tuple[str, ...], send: Send, target: Target, sql: str) -> dict[str, Any]:
    stamp = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
    new, kept = f"{target.database}_new_{stamp}", f"{target.database}_before_{stamp}"
    try:
        told = _loaded(how, send, target, new)
        if sql:
            target.tell("sql", new, given=sql)
    except BaseException:
        with contextlib.suppress(ReplacementError):
            target.tell("discard", new)
        raise
    return {**told, **_swapped(target, new, kept)}


def _swapped(target: Target, new: str, kept: str) -> dict[str, Any]:
    """Have the two exchange names. Where no answer comes, the exchange may have been made, so that is asked."""
    try:
        return target.tell("swap", new, kept)
    except BaseException as error:
        try:
            target.tell("discard", new)  # without it nobody can exchange them any more, however late
            done = target.tell("swapped", kept)["swapped"]
        except ReplacementError as why:
            words = f"if there is a database {kept}, then {target.database} is the new one, else the one that it was"
            raise UnknownError(f"{why}\n{words}") from error
        if not done:
            raise
        return {"kept": kept, "closed": None}


def _loaded(how: tuple[str, ...], send: Send, target: Target, new: str) -> dict[str, Any]:
    """Have the new database made; what was told of it, and found to be in it."""
    command, *words = how
    names = [new, *words] if new else words
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(target.argv(command, *names), stdin=subprocess.PIPE, stdout=output, stderr=errors)
        told, why = None, ""
        try:
            with cast("BinaryIO", process.stdin) as sink:
                told = send(sink)
        except DownloadError as error:
            why = str(error)
        except BrokenPipeError:
            pass  # the primary says why it takes no more
        except BaseException:
            process.terminate()
            process.wait()
            raise
        code = process.wait()
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    if why:
        raise ReplacementError(why)
    found = _answer(code, *texts)
    if told is None or found["rows"] != told.get("rows", found["rows"]):
        raise ReplacementError(f"not all of it came: {found['rows']} of {(told or {}).get('rows')}")
    return {**told, **found}


def _answer(code: int, output: str, errors: str) -> dict[str, Any]:
    lines = [line for line in errors.splitlines() if line.strip()]
    if code == SSH_FAILED:
        raise ReplacementError("\n".join(["the primary could not be reached", *lines[-3:]]))
    if code != 0:
        raise ReplacementError("\n".join(lines[-6:]) or f"the primary ended with {code}")
    answer: dict[str, Any] = json.loads(output)
    return answer
