# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump, loaded into a database of a MariaDB. Written by the role longshore.stack.mariadb.

A dump reaches nothing else: a user of its own loads it, who may do nothing in other databases; the client takes no
commands (``--sandbox``, ``--binary-mode``) and no files. What the dump made is the owner's afterwards.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import subprocess
import tempfile
import threading
import zlib
from pathlib import Path

from mariadb_admin import Failed, Instance, identifier, last_words, literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

# Bytes that stay free whatever is loaded: what serves needs them.
SPARE = 256 << 20
# In how many of a dump's first lines it says who made it.
COMMENTS = 5
# Who loads; the accounts of earlier ones go.
LOADER = "longshore_import_"
# What a dump begins and ends with, unless it has no comments at all.
HEAD, END = re.compile(rb"-- (MariaDB|MySQL) dump"), b"-- Dump completed"
# Whose a view, a routine, a trigger or an event is. Lines with rows begin otherwise.
DEFINER = re.compile(rb"DEFINER\s*=\s*`[^`]*`@`[^`]*`")
DEFINING = re.compile(rb"\s*(CREATE\s|/\*M?!\d)")
TABLES = """
select table_name from information_schema.tables where table_schema = {} and table_type = 'BASE TABLE' order by 1
"""
LOADERS = "select user from mysql.global_priv where user like '{}%'"
VIEWS = """
select concat('create or replace algorithm=', algorithm, ' definer={owner} sql security ', security_type, ' view ',
  {schema}, '.`', replace(table_name, '`', '``'), '` as ', view_definition,
  case check_option when 'NONE' then '' else concat(' with ', check_option, ' check option') end, ';')
from information_schema.views where table_schema = {name}
"""
HINT = (
    "a dump may only make things in one database, without rights beyond it: make it with mariadb-dump --routines "
    "--triggers --events, or mysqldump --set-gtid-purged=OFF, of that database alone (without --databases)"
)


class Dump:
    """The lines of a dump, without whose they were. ``last``: the line with which who sends it says that it was all.

    Attributes, once all of it was read: ``commented`` (it says who made it), ``ended`` (its own last line is there),
    ``sent`` (so is that of who sends it; without one, it could be read to its end).
    """

    def __init__(self, source: Iterable[bytes], last: bytes = b"") -> None:
        self._source, self._last = source, last
        self.commented = self.ended = self.sent = False

    def __iter__(self) -> Iterator[bytes]:
        """Each line, as it is to be loaded."""
        try:
            for number, line in enumerate(self._source):
                self.commented |= number < COMMENTS and bool(HEAD.search(line))
                self.ended |= line.startswith(END)
                self.sent = line == self._last
                yield DEFINER.sub(b"", line) if DEFINING.match(line) else line
        except (EOFError, OSError, zlib.error):
            self.sent = False  # of what is packed, a part only
        else:
            self.sent |= not self._last


def load(instance: Instance, database: str, dump: Dump, loader: str) -> None:
    """Have what a dump holds in a database, all of it this user's. Raises ``Failed``, also when it is not whole.

    The user may do anything there and nothing elsewhere, and afterwards can't log in until it loads more.
    """
    password = secrets.token_hex(24)
    escaped = identifier(database.replace("_", "\\_"))
    instance.change(
        f"create or replace user {loader}@localhost identified by '{password}';"
        f"grant all privileges on {escaped}.* to {loader}@localhost"
    )
    with tempfile.TemporaryDirectory(prefix="longshore-import-") as place, tempfile.TemporaryFile() as errors:
        login = Path(place) / "login"
        login.touch(mode=0o600)
        login.write_text(f"[client]\nuser = {loader}\npassword = {password}\n", "utf-8")
        words = ["mariadb", f"--defaults-file={login}", instance.socket, "--batch", "--sandbox", "--binary-mode"]
        process = subprocess.Popen(
            [*words, "--local-infile=0", "--max-allowed-packet=1G", database],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        thread = threading.Thread(target=fed, args=(dump, process.stdin))
        thread.start()
        full = watched(instance, process)
        thread.join()
        errors.seek(0)
        if full:
            raise Failed(f"{instance.data} has {instance.free() >> 20} MB left, so it was stopped")
        if dump.sent and dump.commented and not dump.ended:
            raise Failed("the dump has no end: its last line, Dump completed, is missing")
        if process.returncode != 0:
            raise Failed(f"{last_words(errors.read().decode('utf-8', 'replace'))} ({HINT})")
        if not dump.sent:
            raise Failed("not all of it came")
    instance.change(f"alter user {loader}@localhost account lock")


def forget_loaders(instance: Instance) -> None:
    """Remove the users who loaded something, also those whom an earlier call left."""
    for name in instance.sql(LOADERS.format(LOADER)):
        instance.change(f"drop user if exists {literal(name)}@localhost")


def watched(instance: Instance, process: subprocess.Popen[bytes]) -> bool:
    """Wait for the end; whether it was ended since the disk is almost full."""
    full = False
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
            return full
        if instance.free() < SPARE and not full:
            full = True
            process.terminate()


def fed(dump: Iterable[bytes], sink: IO[bytes]) -> None:
    """Write to a program, which says itself why it takes no more."""
    with contextlib.suppress(BrokenPipeError), sink:
        for line in dump:
            sink.write(line)


def adopt(instance: Instance, database: str, loader: str, owner: str) -> None:
    """Have all that the loader made be the owner's."""
    words = ("--routines", "--events", "--triggers", "--add-drop-trigger", "--no-data", "--no-create-info")
    views = VIEWS.format(owner=quoted(owner), schema=literal(identifier(database)), name=literal(database))
    made = handed_over(dumped(instance, database, words), loader, owner)
    instance.change("\n".join([f"use {identifier(database)};", *instance.sql(views)]))
    instance.change(f"use {identifier(database)};\n{made}")


def handed_over(made: str, loader: str, owner: str) -> str:
    """What mariadb-dump has written of what the loader made, as the owner's."""
    return made.replace(f"DEFINER=`{loader}`@`localhost`", f"DEFINER={quoted(owner)}")


def quoted(account: str) -> str:
    """An account as ``DEFINER`` has it."""
    return account.replace("'", "`")


def dumped(instance: Instance, database: str, words: Iterable[str], names: Iterable[str] = ()) -> str:
    """What mariadb-dump writes of a database, or of these tables of it."""
    argv = ["mariadb-dump", "--no-defaults", instance.socket, *words, "--skip-lock-tables", "--", database, *names]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(last_words(done.stderr))
    return done.stdout


def counted(instance: Instance, database: str) -> dict[str, int]:
    """The rows of each table."""
    tables = instance.sql(TABLES.format(literal(database)))
    ask = "select count(*) from {}.{}"
    return {table: int(instance.sql(ask.format(identifier(database), identifier(table)))[0]) for table in tables}
