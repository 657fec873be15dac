# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills an empty database of a MariaDB with what a dump holds. Written by the role longshore.stack.mariadb.

    PROGRAM INSTANCE import DATABASE         load the dump on standard input: SQL, as mariadb-dump and mysqldump write
                                             it. Its last line is SENT, without which somebody was cut off

Only on the primary, as root. Prints JSON: ``rows`` by table. It refuses a database with anything in it, and after any
error there is nothing in it again. Meanwhile its owner is locked out.

A dump reaches nothing else: a user of its own loads it, who may do nothing in other databases; the client takes no
commands (``--sandbox``, ``--binary-mode``) and no files. What the dump made is the owner's afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import IO, Any

# Bytes that stay free whatever is loaded: what serves needs them.
SPARE = 256 << 20
# In how many of a dump's first lines it says who made it.
COMMENTS = 5
# Who loads; the accounts of earlier ones go. And what a database is marked with meanwhile.
LOADER, MARK = "longshore_import_", "longshore: an import began, which keeps out "
# What a dump begins and ends with, unless it has no comments at all. And the last line of what is sent.
HEAD, END = re.compile(rb"-- (MariaDB|MySQL) dump"), b"-- Dump completed"
SENT = b"-- longshore: all of it was sent\n"
# Whose a view, a routine, a trigger or an event is. Lines with rows begin otherwise.
DEFINER = re.compile(rb"DEFINER\s*=\s*`[^`]*`@`[^`]*`")
DEFINING = re.compile(rb"\s*(CREATE\s|/\*M?!\d)")
COMMENT = "select schema_comment from information_schema.schemata where schema_name = {}"
OBJECTS = """
select concat('table ', table_name) from information_schema.tables where table_schema = {0} union all
select concat(lower(routine_type), ' ', routine_name)
  from information_schema.routines where routine_schema = {0} union all
select concat('event ', event_name) from information_schema.events where event_schema = {0}
"""
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
ACCOUNTS = """
select concat(quote(user), '@', quote(host)) from mysql.global_priv
where user in ({}) and host = '%' and ifnull(json_value(priv, '$.account_locked'), 0) not in ('1', 'true')
"""
SESSIONS = "select concat('kill ', id, ';') from information_schema.processlist where user in ({})"
HINT = (
    "a dump may only make things in one database, without rights beyond it: make it with mariadb-dump --routines "
    "--triggers --events, or mysqldump --set-gtid-purged=OFF, of that database alone (without --databases)"
)


class Failed(Exception):
    """What went wrong, in a few lines."""


class Instance:
    """The MariaDB of this server that is called so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data = f"/var/lib/mariadb/{name}/data"
        self.socket = f"--socket=/run/mariadb-{name}/mariadb.sock"

    def sql(self, text: str) -> list[str]:
        """The lines that statements give, as root. Raises ``Failed`` with MariaDB's words."""
        words = ["mariadb", "--no-defaults", self.socket, "--batch", "--raw", "--skip-column-names"]
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(last_words(done.stderr) or f"mariadb ended with {done.returncode}")
        return done.stdout.splitlines()

    def change(self, text: str) -> None:
        """Run statements on the primary: root could write into a replica too, whose data would be others then."""
        if self.sql("select @@global.read_only") != ["0"]:
            raise Failed("this server is not primary any more; the same again goes to the new one, and clears up there")
        self.sql(text)

    def free(self) -> int:
        """Bytes that its disk has left."""
        return shutil.disk_usage(self.data).free

    def accounts(self, database: str) -> list[str]:
        """The owner's, as SQL has them, of which it uses one in turn with the other; none that is locked."""
        names = f"{literal(database)}, {literal(f'{database}_2')}"
        return self.sql(ACCOUNTS.format(names))


def bring(instance: Instance, database: str) -> dict[str, Any]:
    """Load the dump on standard input; gives the ``rows`` by table."""
    with alone(instance, database):
        instance.change("")
        clear_away(instance, database)
        if found := instance.sql(OBJECTS.format(literal(database))):
            raise Failed(
                f"{database} has {len(found)} tables, views, routines and events, such as {found[0]}: a dump goes into "
                "an empty one only"
            )
        loader = f"{LOADER}{secrets.token_hex(6)}"
        try:
            with locked_out(instance, database) as owner:
                try:
                    load(instance, database, loader)
                    adopt(instance, database, loader, owner)
                    rows = counted(instance, database)
                    instance.change(f"alter database {identifier(database)} comment = ''")
                except BaseException:
                    # Whatever the dump has made of the mark: it was empty, and nobody else was let in.
                    instance.change(emptied(database))
                    raise
        finally:
            # Without the comment the database stays as it is.
            clear_away(instance, database)
        return {"rows": rows}


def clear_away(instance: Instance, database: str) -> None:
    """Remove what an import left that did not come to its end, and nothing else; then let the owner in again."""
    for line in instance.sql(LOADERS.format(LOADER)):
        instance.change(f"drop user if exists {literal(line)}@localhost")
    found = instance.sql(COMMENT.format(literal(database)))
    if found and found[0].startswith(MARK):
        instance.change(emptied(database) + unlocked(database, found[0]))


def emptied(database: str) -> str:
    """The statements that make a database anew."""
    return f"drop database {identifier(database)}; create database {identifier(database)};"


def unlocked(database: str, mark: str) -> str:
    """The statements that let in again whom an import kept out, as its mark says, which a dump could forge.

    So nobody but the owner is let in, and nothing of the mark is ever run.
    """
    owners = [f"{literal(name)}@'%'" for name in (database, f"{database}_2")]
    said = mark.removeprefix(MARK).split()
    return "".join(f"alter user {each} account unlock;" for each in owners if each in said)


@contextlib.contextmanager
def locked_out(instance: Instance, database: str) -> Iterator[str]:
    """Keep the owner, which this gives, away meanwhile: it would find, or write, half of it."""
    open_ones = instance.accounts(database)
    if not open_ones:
        raise Failed(f"the owner of {database} has no account here: longshore up")
    lock = "".join(f"alter user {each} account lock;" for each in open_ones)
    mark = literal(f"{MARK}{' '.join(open_ones)}")
    instance.change(f"alter database {identifier(database)} comment = {mark}; {lock}")
    try:
        names = ", ".join(each.partition("@")[0] for each in open_ones)
        for line in instance.sql(SESSIONS.format(names)):
            with contextlib.suppress(Failed):  # it has ended by itself
                instance.sql(line)
        yield open_ones[0]
    finally:
        instance.change("".join(f"alter user {each} account unlock;" for each in open_ones))


def load(instance: Instance, database: str, loader: str) -> None:
    """Have a user who reaches nothing else load it."""
    password = secrets.token_hex(24)
    escaped = identifier(database.replace("_", "\\_"))
    instance.change(
        f"create user {loader}@localhost identified by '{password}';"
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
        dump = Dump(sys.stdin.buffer)
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


class Dump:
    """The lines of a dump, without whose they were.

    Attributes, once all of it was read: ``commented`` (it says who made it), ``ended`` (its own last line is there),
    ``sent`` (so is that of who sends it).
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.commented = self.ended = self.sent = False

    def __iter__(self) -> Iterator[bytes]:
        """Each line, as it is to be loaded."""
        for number, line in enumerate(self._source):
            self.commented |= number < COMMENTS and bool(HEAD.search(line))
            self.ended |= line.startswith(END)
            self.sent = line == SENT
            yield DEFINER.sub(b"", line) if DEFINING.match(line) else line


def fed(dump: Iterable[bytes], sink: IO[bytes]) -> None:
    """Write to a program, which says itself why it takes no more."""
    with contextlib.suppress(BrokenPipeError), sink:
        for line in dump:
            sink.write(line)


def adopt(instance: Instance, database: str, loader: str, owner: str) -> None:
    """Have all that the loader made be the owner's."""
    owner = owner.replace("'", "`")
    former = f"DEFINER=`{loader}`@`localhost`"
    views = VIEWS.format(owner=owner, schema=literal(identifier(database)), name=literal(database))
    words = ["--routines", "--events", "--triggers", "--add-drop-trigger", "--no-data", "--no-create-info"]
    done = subprocess.run(
        ["mariadb-dump", "--no-defaults", instance.socket, *words, "--skip-lock-tables", database],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(last_words(done.stderr))
    instance.change("\n".join([f"use {identifier(database)};", *instance.sql(views)]))
    instance.change(f"use {identifier(database)};\n{done.stdout.replace(former, f'DEFINER={owner}')}")


def counted(instance: Instance, database: str) -> dict[str, int]:
    """The rows of each table."""
    tables = instance.sql(TABLES.format(literal(database)))
    ask = "select count(*) from {}.{}"
    return {table: int(instance.sql(ask.format(identifier(database), identifier(table)))[0]) for table in tables}


@contextlib.contextmanager
def alone(instance: Instance, database: str) -> Iterator[None]:
    """Keep others of its kind away. Raises ``Failed`` when there is one."""
    with Path(f"/run/lock/longshore-import-{instance.name}").open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Failed(f"something is being put into {database} already") from error
        yield


def identifier(name: str) -> str:
    """A name as SQL has it."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def last_words(text: str) -> str:
    """The end of what a program said, in one line."""
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())[-600:]


def main(words: Sequence[str]) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("command", choices=["import"])
    parser.add_argument("database")
    given = parser.parse_args(words)
    try:
        answer = bring(Instance(given.instance), given.database)
    except (Failed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
