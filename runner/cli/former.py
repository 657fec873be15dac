# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore db kept`` and ``db discard``: data that nothing uses any more, shown, and removed when they are named."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import typer
from longshore.cli import look, tables
from longshore.cli.drive import drive
from longshore.cli.ending import end
from longshore.cli.summary import summary
from longshore.cli.views import QuietView
from longshore.runs.exit_code import ExitCode
from longshore.stack import BadInput, Stack

if TYPE_CHECKING:
    from longshore.cli.options import Common
    from longshore.runs import Result


def told(result: Result, only: str = "") -> str:
    """One line for each directory that is kept, of all databases or ``only`` of one."""
    rows = [
        (name, server, each["path"], each["why"], tables.size(each["bytes"]))
        for name, servers in sorted(result.databases.items())
        for server, found in sorted(servers.items())
        for each in found["former"]
        if only in ("", name)
    ]
    if not rows:
        return "nothing is kept"
    return tables.table(("DATABASE", "SERVER", "PATH", "FROM", "SIZE"), rows)


def discard(options: Common, stack: Stack, database: str, said: str | None) -> NoReturn:
    """Show what is kept of a database, have its name typed unless it was ``said``, remove that, and end."""
    name = f"{stack.name}/{database}"
    if said is None and options.as_json:
        raise BadInput(f"--json asks nothing: say --yes-discard {name}; nothing was touched")
    if said not in (None, name):
        raise BadInput(f"{said!r} is not {name}; nothing was touched")
    looked = drive(stack.jobs.db_kept(), QuietView())
    if looked.exit_code not in (ExitCode.DONE, ExitCode.DEGRADED):
        typer.echo(summary(looked, stack.definition), err=True)
        end(looked.exit_code)
    paths = {
        server: [each["path"] for each in found["former"]]
        for server, found in looked.databases.get(database, {}).items()
    }
    if not paths:
        known = ", ".join(sorted(looked.databases)) or "nothing"
        raise BadInput(f"nothing is kept of {database}; kept is: {known}")
    if said is None:
        typer.echo(told(looked, database), err=True)
        typer.echo(f"It does not come back. The database's name, {name}, to go on: ", nl=False, err=True)
        said = sys.stdin.readline().strip()
        if said != name:
            raise BadInput(f"{said!r} is not {name}; nothing was touched")
    look.run(options, stack, stack.jobs.db_discard(paths))
