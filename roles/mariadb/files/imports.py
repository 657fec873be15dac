# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills an empty database of a MariaDB with what a dump holds. Written by the role longshore.stack.mariadb.

    PROGRAM INSTANCE import DATABASE         load the dump on standard input: SQL, as mariadb-dump and mysqldump write
                                             it. Its last line is SENT, without which somebody was cut off

Only on the primary, as root. Prints JSON: ``rows`` by table. It refuses a database with anything in it, and after any
error there is nothing in it again. Meanwhile its owner is locked out.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys

import mariadb_dumps
from mariadb_admin import OWNER, Failed, Instance, alone, identifier, keep_out, literal, owner_of, unlocked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

# What a database is marked with meanwhile. And the last line of what is sent.
MARK = "longshore: an import began, which keeps out "
SENT = b"-- longshore: all of it was sent\n"
OBJECTS = """
select concat('table ', table_name) from information_schema.tables where table_schema = {0} union all
select concat(lower(routine_type), ' ', routine_name)
  from information_schema.routines where routine_schema = {0} union all
select concat('event ', event_name) from information_schema.events where event_schema = {0}
"""


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
        owner = owner_of(instance, database)
        accounts = instance.accounts(database, OWNER)
        loader = f"{mariadb_dumps.LOADER}{secrets.token_hex(6)}"
        try:
            # It would find, or write, half of it.
            keep_out(instance, database, MARK, accounts)
            mariadb_dumps.load(instance, database, mariadb_dumps.Dump(sys.stdin.buffer, SENT), loader)
            mariadb_dumps.adopt(instance, database, loader, owner)
            rows = mariadb_dumps.counted(instance, database)
        except BaseException:
            # Whatever the dump has made of the mark: it was empty, and nobody else was let in.
            instance.change(emptied(database))
            raise
        finally:
            instance.change(let_in(database, accounts))
            mariadb_dumps.forget_loaders(instance)
        return {"rows": rows}


def clear_away(instance: Instance, database: str) -> None:
    """Remove what an import left that did not come to its end, and nothing else; then let the owner in again."""
    mariadb_dumps.forget_loaders(instance)
    mark = instance.comment(database)
    if mark.startswith(MARK):
        instance.change(emptied(database) + let_in(database, mark.removeprefix(MARK).split()))


def emptied(database: str) -> str:
    """The statements that make a database anew."""
    return f"drop database {identifier(database)}; create database {identifier(database)};"


def let_in(database: str, accounts: Iterable[str]) -> str:
    """The statements that end an import."""
    return f"{unlocked(database, accounts)}alter database {identifier(database)} comment = '';"


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
