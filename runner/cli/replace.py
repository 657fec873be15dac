# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore backup replace`` and ``db import``: who is asked, what is shown of it, and how it ends."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import typer
from longshore.cli import tables
from longshore.cli.download import counter, ended
from longshore.cli.drive import drive
from longshore.cli.ending import end
from longshore.cli.views import QuietView
from longshore.runs import downloads, dumps, replacements, ssh
from longshore.runs.exit_code import ExitCode
from longshore.stack import BadInput, Stack


def confirm(target: Stack, database: str, said: str | None, what: str, *, as_json: bool) -> None:
    """Have somebody type which database is replaced, unless it was ``said``. Raises ``BadInput`` for anything else."""
    name = f"{target.name}/{database}"
    if said is None:
        if as_json:
            raise BadInput(f"--json asks nothing: say --yes-replace {name}; nothing was touched")
        typer.echo(f"This ends all sessions of {database} of {target.name}, and puts {what} in its place.", err=True)
        typer.echo(f"Its name, {name}, to go on: ", nl=False, err=True)
        said = sys.stdin.readline().strip()
    if said != name:
        raise BadInput(f"{said!r} is not {name}; nothing was touched")


def take(target: Stack, database: str, file: Path, sql: Path | None, *, as_json: bool) -> NoReturn:
    """Put a dump in the place of a database; then end."""
    try:
        dump = dumps.Dump.of(file)
    except dumps.DumpError as error:
        raise BadInput(f"{error}; nothing was touched") from error
    text = _read(sql)
    filled = target.definition.databases[database].engine == "mariadb"
    if filled and dump.kind != "plain":
        raise BadInput(f"{file} is a dump of a PostgreSQL, and {database} a mariadb; nothing was touched")
    primary, place = _place(target, database, replacements.FILLING if filled else "")
    if not as_json:
        typer.echo(f"{primary} makes a database of {file} …", err=True)
    act = replacements.fill if filled else replacements.take
    _finish(
        database,
        primary,
        str(file),
        lambda: act(dump, place, text, counter(shown=not as_json)),
        as_json=as_json,
    )


def put(
    source: Stack, target: Stack, database: str, which: dict[str, str], sql: Path | None, *, as_json: bool
) -> NoReturn:
    """Put a backup of ``source`` (``which``: label, at) in the place of the same database of ``target``; then end."""
    (stanza,) = source.stanzas([database])
    text = _read(sql)
    server = source.definition.backup_server() or ""
    keeper = source.definition.servers[server].connection()
    argv = ssh.argv(keeper, downloads.command(source.name, stanza, **which))
    primary, place = _place(target, database)
    if not as_json:
        typer.echo(f"{server} restores {database} and checks it; {primary} makes a database of it …", err=True)
    _finish(
        database,
        primary,
        "the backup",
        lambda: replacements.replace(argv, place, text, counter(shown=not as_json)),
        as_json=as_json,
    )


def _finish(database: str, primary: str, what: str, act: Callable[[], dict[str, Any]], *, as_json: bool) -> NoReturn:
    # As Ctrl-C: the database is the one that it was.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        found = act()
    except replacements.UnknownError as error:
        ended("unknown", ExitCode.FAILED, f"x {database}\n    {error}", as_json, server=primary, message=str(error))
    except replacements.ReplacementError as error:
        told = f"x {database}\n    {error}\n\n{database} is the one that it was."
        ended("failed", ExitCode.FAILED, told, as_json, server=primary, message=str(error))
    except KeyboardInterrupt:
        ended("cancelled", ExitCode.CANCELLED, f"{database} is the one that it was.", as_json, server=primary)
    ended("done", ExitCode.DONE, tables.replaced(found, database, what), as_json, server=primary, replacement=found)


def _place(target: Stack, database: str, program: str = "") -> tuple[str, replacements.Target]:
    """The primary, and how it is asked; ``program``: which one there, when it is not the one that replaces."""
    primary = _primary(target, database)
    connection = target.definition.servers[primary].connection()
    definition = target.definition
    known = definition.databases[database]
    name = definition.instance(database)
    program = program or replacements.PROGRAMS[known.engine]
    at = functools.partial(ssh.argv, connection)
    return primary, replacements.Target(name, known.inside, at, program, known.engine)


def _read(sql: Path | None) -> str:
    try:
        return sql.read_text("utf-8") if sql is not None else ""
    except OSError as error:
        raise BadInput(f"--sql: {sql}: {error.strerror}; nothing was touched") from error


def _primary(stack: Stack, database: str) -> str:
    """The server that is primary. Ends the command when there is none."""
    result = drive(stack.jobs.db_status(), QuietView())
    known = result.databases.get(database, {})
    found = [server for server, each in known.items() if each.get("role") == "primary"]
    if len(found) != 1:
        typer.echo(f"x {database}\n    it has no primary now: longshore db status; nothing was touched", err=True)
        end(ExitCode.FAILED)
    return found[0]
