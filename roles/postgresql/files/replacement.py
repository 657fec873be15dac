# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a dump in the place of a database that serves. Written by the role longshore.stack.postgresql.

    PROGRAM INSTANCE load DATABASE NEW       make a database NEW of the dump on standard input (pg_dump's own format)
    PROGRAM INSTANCE import DATABASE NEW KIND
                                             the same of a dump of another database (custom, plain): all of it is the
                                             owner's, and it may use the extensions of DATABASE
    PROGRAM INSTANCE sql DATABASE NEW        run the SQL on standard input in NEW, as the owner of DATABASE
    PROGRAM INSTANCE swap DATABASE NEW KEPT  give NEW the name DATABASE, and DATABASE the name KEPT, in one transaction
    PROGRAM INSTANCE swapped DATABASE KEPT   whether that was done, once nobody is about to do it
    PROGRAM INSTANCE discard DATABASE NEW    remove NEW

Only on the primary, as root. Each prints JSON; until ``swap`` nothing that serves is touched, and it removes nothing. A
database NEW that an earlier call left goes with the next ``load``.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import re
import sys
import threading
import time
from pathlib import Path

import postgresql_dumps
from postgresql_admin import OWNER, SPARE, Failed, Instance, identifier, literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# What a database that is being made is called, after the one whose place it takes.
NEW = re.compile(r"_new_\d+$")
# Seconds in which sessions end that were told to. PostgreSQL itself waits 5 s for them, and lets nobody in meanwhile.
ENDED = 30.0
# Seconds between two looks for sessions that are to end.
AGAIN = 0.05
TABLES = """
select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables
where schemaname not in ('pg_catalog', 'information_schema')
"""
COUNT = "select count(*) from {}"
EXTENSIONS = "select extname from pg_extension where extname <> 'plpgsql'"
# A worker of autovacuum ends by itself when a database is renamed.
END = """
select pg_terminate_backend(pid) from pg_stat_activity where datname in ({}) and backend_type = 'client backend'
"""
# What may be done with a database, and its settings, which no dump of it holds.
AROUND = """
select format('grant %s on database {{new}} to %s', a.privilege_type,
    case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end)
from pg_database d, aclexplode(d.datacl) a where d.datname = {database}
union all
select format('alter %s set %I to %s',
    case s.setrole when 0 then 'database {{new}}'
        else format('role %I in database {{new}}', pg_get_userbyid(s.setrole)) end,
    split_part(c, '=', 1),
    case when split_part(c, '=', 1) in ('search_path', 'local_preload_libraries', 'session_preload_libraries',
        'temp_tablespaces') then substr(c, strpos(c, '=') + 1) else quote_literal(substr(c, strpos(c, '=') + 1)) end)
from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) c
where d.datname = {database}
"""


def load(instance: Instance, database: str, new: str) -> dict[str, Any]:
    """A new database with what the dump holds; gives its ``rows`` by table."""
    with alone(instance, database):
        prepare(instance, database, new)
        instance.load("pg_restore", "--exit-on-error", "--single-transaction", "-d", new, given=sys.stdin)
        return counted(instance, new)


def bring(instance: Instance, database: str, new: str, kind: str) -> dict[str, Any]:
    """A new database with what a dump of somebody else's holds, all of it the owner's; gives its ``rows`` by table."""
    with alone(instance, database):
        owner = prepare(instance, database, new)
        names = instance.sql(EXTENSIONS, database).splitlines()
        made = [f"create extension if not exists {identifier(name)} cascade" for name in names]
        instance.sql(";\n".join([f"alter schema public owner to {identifier(owner)}", *made]), new)
        postgresql_dumps.TAKEN[kind](instance, new, owner, sys.stdin.buffer)
        return counted(instance, new)


def prepare(instance: Instance, database: str, new: str) -> str:
    """Make an empty database with the rights and settings of another one; gives the owner of both.

    What others have left goes before.
    """
    owner = instance.owner(database)
    for left in instance.sql("select datname from pg_database").splitlines():
        if left.startswith(f"{database}_new_") and NEW.search(left):
            discard(instance, database, left)
    size = int(instance.sql(f"select pg_database_size({literal(database)})"))
    if instance.free() < size + SPARE:
        text = f"{instance.data} has {instance.free() >> 20} MB left, and a second {database} may take {size >> 20} MB"
        raise Failed(text)
    instance.sql(f"create database {identifier(new)} owner {identifier(owner)} template template0")
    instance.sql(f"revoke all on database {identifier(new)} from public")
    statements = instance.sql(AROUND.format(database=literal(database))).replace("{new}", identifier(new))
    instance.sql(";\n".join(statements.splitlines()))
    return owner


def counted(instance: Instance, new: str) -> dict[str, Any]:
    """What is in it now."""
    instance.sql("analyze", new)
    tables = instance.sql(TABLES, new).splitlines()
    return {"rows": {table: int(instance.sql(COUNT.format(table), new)) for table in tables}}


def sql(instance: Instance, database: str, new: str) -> dict[str, Any]:
    """Run the user's SQL in the new database."""
    owner = instance.owner(database)
    instance.sql(f"set role {identifier(owner)};\n{sys.stdin.read()}", new)
    return {}


def swap(instance: Instance, database: str, new: str, kept: str) -> dict[str, Any]:
    """Exchange the names: sessions of the former database end, and the next ones find the new one."""
    instance.owner(database)
    with alone(instance, database):
        until = time.monotonic() + ENDED
        while True:
            began = time.monotonic()
            try:
                exchange(instance, database, new, kept)
            except Failed as error:
                if "accessed by other users" not in str(error) or time.monotonic() > until:
                    raise
            else:
                return {"kept": kept, "closed": round(time.monotonic() - began, 2)}


def exchange(instance: Instance, database: str, new: str, kept: str) -> None:
    """Rename both in one transaction, so that whatever dies meanwhile leaves the one or the other.

    Who wants in waits from the first renaming on, which waits for those who are in: all of them are ended until then.
    """
    over = threading.Event()
    ending = threading.Thread(target=end_sessions, args=(instance, over, database, new))
    ending.start()
    try:
        instance.sql(
            f"begin; alter database {identifier(database)} rename to {identifier(kept)}; "
            f"alter database {identifier(new)} rename to {identifier(database)}; commit"
        )
    finally:
        over.set()
        ending.join()


def end_sessions(instance: Instance, over: threading.Event, *databases: str) -> None:
    """End the sessions in these databases, also those that begin meanwhile, until ``over``."""
    names = ", ".join(literal(database) for database in databases)
    while not over.is_set():
        with contextlib.suppress(Failed):  # whoever renames says what is wrong
            instance.sql(END.format(names))
        over.wait(AGAIN)


def swapped(instance: Instance, database: str, kept: str) -> dict[str, Any]:
    """Whether the former database is called ``kept``; waits for whoever is about to do it."""
    with alone(instance, database, wait=True):
        instance.owner(database)
        found = instance.sql(OWNER.format(literal(kept)))
        return {"swapped": bool(found)}


@contextlib.contextmanager
def alone(instance: Instance, database: str, wait: bool = False) -> Iterator[None]:
    """Keep others of its kind away. Raises ``Failed`` when there is one, unless it is waited for."""
    with Path(f"/run/lock/longshore-replacement-{instance.name}").open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise Failed(f"something is being put in the place of {database} already") from error
        yield


def discard(instance: Instance, database: str, new: str) -> dict[str, Any]:
    """Remove a database that was made here and serves nobody."""
    if not (new.startswith(f"{database}_new_") and NEW.search(new)):
        raise Failed(f"{new} was not made here")
    instance.sql(f"drop database if exists {identifier(new)} with (force)")
    return {}


COMMANDS = {"load": load, "import": bring, "sql": sql, "swap": swap, "swapped": swapped, "discard": discard}


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
