# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a dump in the place of a database of a MariaDB that serves. Written by the role longshore.stack.mariadb.

    PROGRAM INSTANCE load DATABASE NEW       make a database NEW of the dump on standard input, packed by gzip
    PROGRAM INSTANCE sql DATABASE NEW        run the SQL on standard input in NEW, as a user who reaches nothing else
    PROGRAM INSTANCE swap DATABASE NEW KEPT  what is in NEW becomes what is in DATABASE, and that what is in KEPT
    PROGRAM INSTANCE swapped DATABASE KEPT   whether that was done, once nobody is about to do it
    PROGRAM INSTANCE discard DATABASE NEW    remove NEW

Only on the primary, as root. Each prints JSON; until ``swap`` nothing that serves is touched, and it removes nothing. A
database NEW that an earlier call left goes with the next ``load``.

MariaDB can't give a database another name, so it is the tables that move, all in one statement. What else there is
(views, triggers, routines, events) can't move: of both it is written down in a table of KEPT and dropped before, and of
NEW it is made again in DATABASE. Of what was there it stays written down, for who exchanges them again. Whoever uses
the database is kept out meanwhile. Where an exchange is cut off, the next call, on this or another primary, takes it to
its end when the tables have moved, and else back. Events of NEW rest (``DISABLE ON SLAVE``).
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time

import mariadb_dumps
from mariadb_admin import (
    OWNER,
    READER,
    Failed,
    Instance,
    alone,
    identifier,
    keep_out,
    literal,
    owner_of,
    unlocked,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# What a database that is being made is called, after the one whose place it takes; what that is called afterwards.
NEW, KEPT = re.compile(r"_new_\d+$"), re.compile(r"_before_\d+$")
# What a database is marked with during an exchange; the names of NEW, KEPT and those who are kept out follow.
MARK = "longshore: an exchange began, of "
# In KEPT: what can't move, written down; it has the second name as soon as the tables have moved.
RECORD, DONE = "longshore_exchange", "longshore_exchanged"
WRITTEN = """
create table {0} (former longblob, following longblob) engine = InnoDB;
insert into {0} values (x'{former}', x'{following}');
"""
READ = "select hex({}) from {}.{}"
# Seconds that a statement waits for whoever reads a table.
PATIENCE = 60
LIKE = "select concat('character set ', default_character_set_name, ' collate ', default_collation_name)\
 from information_schema.schemata where schema_name = {}"
SIZE = "select ifnull(sum(data_length + index_length), 0) from information_schema.tables where table_schema = {}"
LEFT = "select schema_name from information_schema.schemata where schema_name like {}"
MOVING = """
select table_name from information_schema.tables
where table_schema = {} and table_type not in ('VIEW', 'SYSTEM VIEW') order by 1
"""
VIEWS = "select table_name from information_schema.views where table_schema = {} order by 1"
FIXED = """
select concat('drop view `', replace(table_name, '`', '``'), '`;')
  from information_schema.views where table_schema = {0} union all
select concat('drop trigger `', replace(trigger_name, '`', '``'), '`;')
  from information_schema.triggers where trigger_schema = {0} union all
select concat('drop event `', replace(event_name, '`', '``'), '`;')
  from information_schema.events where event_schema = {0} union all
select concat('drop ', routine_type, ' `', replace(routine_name, '`', '``'), '`;')
  from information_schema.routines where routine_schema = {0} and routine_type <> 'PACKAGE BODY'
"""
# Without whose it is, it would be root's.
EVENTS = """
select concat('alter definer = `', replace(definer, '@', '`@`'), '` event `', replace(event_name, '`', '``'), '` {2};')
from information_schema.events where event_schema = {0} and status = '{1}'
"""


def load(instance: Instance, database: str, new: str) -> dict[str, Any]:
    """A new database with what the dump holds; gives its ``rows`` by table."""
    with alone(instance, database):
        prepare(instance, database, new)
        dump = mariadb_dumps.Dump(gzip.GzipFile(fileobj=sys.stdin.buffer))
        mariadb_dumps.load(instance, new, dump, loader_of(new))
        rest(instance, new)
        return {"rows": {f"{database}.{table}": rows for table, rows in mariadb_dumps.counted(instance, new).items()}}


def prepare(instance: Instance, database: str, new: str) -> None:
    """Make an empty database of the same character set. What others have left goes before."""
    instance.change("")
    recover(instance, database)
    mariadb_dumps.forget_loaders(instance)
    pattern = f"{database}_new_%".replace("_", "\\_")
    for left in instance.sql(LEFT.format(literal(pattern))):
        if NEW.fullmatch(left, len(database)):
            instance.change(f"drop database {identifier(left)}")
    size = int(instance.sql(SIZE.format(literal(database)))[0])
    if instance.free() < size + mariadb_dumps.SPARE:
        text = f"{instance.data} has {instance.free() >> 20} MB left, and a second {database} may take {size >> 20} MB"
        raise Failed(text)
    instance.change(f"create database {identifier(new)} {alike(instance, database)}")


def loader_of(new: str) -> str:
    """Who loads it, and whose all is that can't move; the owner has no rights in it, so nothing there could be its."""
    return f"{mariadb_dumps.LOADER}{new.rpartition('_')[2]}"


def alike(instance: Instance, database: str) -> str:
    """The character set of a database, as SQL has it. Raises ``Failed`` where there is no such database."""
    found = instance.sql(LIKE.format(literal(database)))
    if not found:
        raise Failed(f"there is no database {database}")
    return found[0]


def sql(instance: Instance, database: str, new: str) -> dict[str, Any]:
    """Run the user's SQL in the new database."""
    with alone(instance, database):
        mariadb_dumps.load(instance, new, mariadb_dumps.Dump(sys.stdin.buffer), loader_of(new))
        rest(instance, new)
        return {}


def swap(instance: Instance, database: str, new: str, kept: str) -> dict[str, Any]:
    """Exchange what is in them, while nobody uses the database."""
    if not (kept.startswith(database) and KEPT.fullmatch(kept, len(database))):
        raise Failed(f"{kept} is no name for what is kept of {database}")
    with alone(instance, database):
        instance.change("")
        recover(instance, database)
        alike(instance, new)
        # What an earlier exchange kept there would be taken for what this one has done.
        if exists(instance, kept):
            raise Failed(f"there is a database {kept} already; nothing was touched")
        owner = owner_of(instance, database)
        accounts = instance.accounts(database, OWNER, READER)
        began = time.monotonic()
        try:
            keep_out(instance, database, f"{MARK}{new} {kept} ", accounts)
            exchange(instance, database, (new, kept), owner)
        finally:
            recover(instance, database)
        return {"kept": kept, "closed": round(time.monotonic() - began, 2)}


def exchange(instance: Instance, database: str, others: tuple[str, str], owner: str) -> None:
    """Write down what can't move, and move the tables; ``others``: NEW and KEPT. ``recover`` does what is left."""
    new, kept = others
    rest(instance, database)
    former, following = fixed(instance, database), kept_from(instance, new) or fixed(instance, new)
    following = mariadb_dumps.handed_over(following, loader_of(new), owner)
    written = {"former": former.encode().hex(), "following": following.encode().hex()}
    instance.change(
        f"create database {identifier(kept)} {alike(instance, database)}; use {identifier(kept)};"
        + WRITTEN.format(RECORD, **written)
    )
    clear(instance, new)
    clear(instance, database)
    pairs = [
        *((database, table, kept, table) for table in moving(instance, database)),
        *((new, table, database, table) for table in moving(instance, new) if table != DONE),
        (kept, RECORD, kept, DONE),
    ]
    move(instance, pairs)


def recover(instance: Instance, database: str) -> None:
    """End an exchange that began: forward once the tables have moved, where that can be, and else back.

    Then those are let in again who were kept out.
    """
    mark = instance.comment(database)
    if not mark.startswith(MARK):
        return
    new, kept, *accounts = mark.removeprefix(MARK).split()
    if not (kept.startswith(database) and KEPT.fullmatch(kept, len(database))):
        raise Failed(f"the comment of {database} was changed, so it can't be said what became of it: {mark[:200]!r}")
    failed: Failed | None = None
    tables = moving(instance, kept)
    if DONE in tables:
        try:
            make(instance, database, read(instance, "following", kept, DONE))
        except Failed as error:
            failed = error
            back = [
                *((database, table, new, table) for table in moving(instance, database)),
                *((kept, table, database, table) for table in tables if table != DONE),
                (kept, DONE, kept, RECORD),
            ]
            clear(instance, database)
            move(instance, back)
    if RECORD in moving(instance, kept):
        make(instance, database, read(instance, "former", kept, RECORD))
        instance.change(f"drop database {identifier(kept)}")
    elif DONE in moving(instance, kept):
        if set(moving(instance, new)) <= {DONE}:
            instance.change(f"drop database if exists {identifier(new)}")
        mariadb_dumps.forget_loaders(instance)
    elif exists(instance, kept) and not moving(instance, kept):
        instance.change(f"drop database {identifier(kept)}")
    wake(instance, database)
    instance.change(f"{unlocked(database, accounts)}alter database {identifier(database)} comment = '';")
    if failed is not None:
        raise failed


def make(instance: Instance, database: str, written: str) -> None:
    """Make again what was written down, in the place of all that there is of its kind."""
    clear(instance, database)
    instance.change(f"use {identifier(database)};\n{written}")


def read(instance: Instance, which: str, kept: str, record: str) -> str:
    """What was written down."""
    (found,) = instance.sql(READ.format(which, identifier(kept), record))
    return bytes.fromhex(found).decode()


def kept_from(instance: Instance, database: str) -> str:
    """Of what an exchange kept: what could not move then; empty for anything else."""
    return read(instance, "former", database, DONE) if DONE in moving(instance, database) else ""


def fixed(instance: Instance, database: str) -> str:
    """The SQL that makes what can't move: views last, since they may use the others."""
    words = ("--routines", "--events", "--triggers", "--no-data", "--no-create-info")
    views = instance.sql(VIEWS.format(literal(database)))
    made = mariadb_dumps.dumped(instance, database, words)
    return made + (mariadb_dumps.dumped(instance, database, ("--no-data", "--skip-triggers"), views) if views else "")


def clear(instance: Instance, database: str) -> None:
    """Drop what can't move."""
    statements = instance.sql(FIXED.format(literal(database)))
    instance.change("\n".join([f"use {identifier(database)};", *statements]))


def move(instance: Instance, pairs: Iterable[tuple[str, str, str, str]]) -> None:
    """Move tables, each from and to a database and a name in it, all or none of them."""
    words = [f"{identifier(a)}.{identifier(b)} to {identifier(c)}.{identifier(d)}" for a, b, c, d in pairs]
    instance.change(f"set lock_wait_timeout = {PATIENCE}; rename table {', '.join(words)}")


def moving(instance: Instance, database: str) -> list[str]:
    """The names of all tables in it, and of what else moves as they do."""
    return instance.sql(MOVING.format(literal(database)))


def exists(instance: Instance, database: str) -> bool:
    """Whether there is such a database."""
    return bool(instance.sql(LIKE.format(literal(database))))


def rest(instance: Instance, database: str) -> None:
    """Have its events wait until they are woken."""
    _events(instance, database, "ENABLED", "disable on slave")


def wake(instance: Instance, database: str) -> None:
    """Have those events go on that rest."""
    _events(instance, database, "SLAVESIDE_DISABLED", "enable")


def _events(instance: Instance, database: str, status: str, state: str) -> None:
    statements = instance.sql(EVENTS.format(literal(database), status, state))
    instance.change("\n".join([f"use {identifier(database)};", *statements]))


def swapped(instance: Instance, database: str, kept: str) -> dict[str, Any]:
    """Whether what it was is in ``kept``; waits for whoever is about to do it, and ends what was cut off."""
    with alone(instance, database, wait=True):
        instance.change("")
        recover(instance, database)
        return {"swapped": exists(instance, kept)}


def discard(instance: Instance, database: str, new: str) -> dict[str, Any]:
    """Remove a database that was made here and serves nobody; an exchange that was cut off is ended before."""
    if not (new.startswith(database) and NEW.fullmatch(new, len(database))):
        raise Failed(f"{new} was not made here")
    with alone(instance, database, wait=True):
        instance.change("")
        recover(instance, database)
        instance.change(f"drop database if exists {identifier(new)}")
        mariadb_dumps.forget_loaders(instance)
    return {}


COMMANDS = {"load": load, "sql": sql, "swap": swap, "swapped": swapped, "discard": discard}


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("names", nargs="+")
    given = parser.parse_args()
    try:
        answer = COMMANDS[given.command](Instance(given.instance), *given.names)
    except (Failed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
