# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore backup``: backups of databases, made, proved and restored."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from longshore.cli import look
from longshore.cli.guarding import refusing
from longshore.cli.options import Common, shared

app = typer.Typer(
    help="Backups of databases: make, list, prove and restore them.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(metavar="DATABASE", help="Its name in the stack file.")]
Some = Annotated[list[str] | None, typer.Argument(metavar="DATABASE...", help="Default: all of them.")]
Restored = Annotated[str, typer.Argument(metavar="NAME", help="What the restored instance is called.")]


@app.command()
@shared
@refusing
def now(
    options: Common,
    databases: Some = None,
    full: Annotated[bool, typer.Option("--full", help="A whole one, although it is not due.")] = False,
) -> None:
    """Make a backup, and prove it."""
    stack = options.load()
    look.run(options, stack, stack.backup_of("made", databases or [], full=full))


@app.command("list")
@shared
@refusing
def list_(options: Common, databases: Some = None) -> None:
    """The backups there are, whether each was proved, and what is wrong.

    Exit code 4 when a backup is missing, late, shrinking or could not be proved.
    """
    from longshore.cli import tables  # noqa: PLC0415 - as in look

    stack = options.load()

    def told(result: Any) -> str:
        known = (result.data.get("database_backup") or {}).get("backups") or {}
        return "\n\n".join([tables.backups(known, f"{stack.name}-") or "no backup yet", *result.notices])

    look.show(options, stack, stack.backup_of("listed", databases or []), told)


@app.command()
@shared
@refusing
def verify(options: Common, databases: Some = None) -> None:
    """Prove the newest backup: restore it for a moment, check its checksums, count its rows."""
    stack = options.load()
    look.run(options, stack, stack.backup_of("proved", databases or []))


@app.command()
@shared
@refusing
def restore(
    options: Common,
    database: Name,
    name: Restored,
    at: Annotated[
        str,
        typer.Option(
            "--at", metavar="TIME", help='A moment with its zone: "2026-11-23 14:05:10+01". Default: the last.'
        ),
    ] = "",
    label: Annotated[
        str, typer.Option("--backup", metavar="LABEL", help="This backup, as it was when it was made.")
    ] = "",
) -> None:
    """Restore into an instance of its own, on the backup server.

    The database that serves is not touched. The instance runs until `backup drop`.
    """
    from longshore.cli import tables  # noqa: PLC0415 - as in look

    stack = options.load()

    def told(result: Any) -> str:
        found = (result.data.get("database_backup") or {}).get("restored") or {}
        return tables.restored(found, stack.definition.backup_server() or "") if found else ""

    look.run(options, stack, stack.backup_of("restored", [database], name=name, at=at, label=label), told)


@app.command()
@shared
@refusing
def drop(options: Common, name: Restored) -> None:
    """End a restored instance, and remove its data."""
    stack = options.load()
    look.run(options, stack, stack.backup_of("dropped", [], name=name))
