# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore backup``: backups of databases, made, proved, restored, downloaded and removed."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from longshore.cli import look
from longshore.cli.ending import end
from longshore.cli.guarding import refusing
from longshore.cli.options import Common, Source, shared

if TYPE_CHECKING:
    from longshore.runs import Job, Result
    from longshore.stack import Stack

app = typer.Typer(
    help="Backups of databases: make, list, prove, restore, download and remove them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="DATABASE", help="Its name in the stack file.")]
Some = Annotated[list[str] | None, typer.Argument(metavar="DATABASE...", help="Default: all of them.")]
Label = Annotated[str, typer.Argument(metavar="LABEL", help="The backup, as `backup list` calls it.")]
At = Annotated[
    str,
    typer.Option("--at", metavar="TIME", help='A moment with its zone: "2026-11-23 14:05:10+01". Default: the last.'),
]
From = Annotated[
    str, typer.Option("--from", metavar="COPY", help="Of this copy, as the stack file calls it. Default: the backups.")
]
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
def list_(options: Common, databases: Some = None, source: From = "") -> None:
    """The backups there are, whether each was proved, and what is wrong.

    Exit code 4 when a backup is missing, late, shrinking or could not be proved.
    """
    from longshore.cli import tables  # noqa: PLC0415 - as in look

    stack = options.load()

    def told(result: Any) -> str:
        known = _answer(result, "backups")
        prefix = f"{stack.name}-"
        parts = [tables.backups(known, prefix) or "no backup yet", tables.copies(known, prefix), *result.notices]
        return "\n\n".join(filter(None, parts))

    look.show(options, stack, stack.backup_of("listed", databases or [], source=source), told)


@app.command()
@shared
@refusing
def info(
    options: Common,
    database: Name,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="Default: the newest backup.")] = "",
    source: From = "",
) -> None:
    """All that is known of one backup: what it needs, and what its proof measured."""
    from longshore.cli import tables  # noqa: PLC0415 - as in look

    stack = options.load()
    job = stack.backup_of("described", [database], label=label, source=source)
    look.show(options, stack, job, lambda result: tables.backup(_answer(result, "backup")))


@app.command()
@shared
@refusing
def verify(options: Common, databases: Some = None, source: From = "") -> None:
    """Prove the newest backup: restore it for a moment, check its checksums, count its rows."""
    stack = options.load()
    look.run(options, stack, stack.backup_of("proved", databases or [], source=source))


@app.command()
@shared
@refusing
def restore(  # noqa: PLR0917 - typer calls it, by name
    options: Common,
    database: Name,
    name: Restored,
    at: At = "",
    label: Annotated[
        str, typer.Option("--backup", metavar="LABEL", help="This backup, as it was when it was made.")
    ] = "",
    source: From = "",
) -> None:
    """Restore into an instance of its own, on the backup server.

    The database that serves is not touched. The instance runs until `backup drop`.
    """
    from longshore.cli import tables  # noqa: PLC0415 - as in look

    stack = options.load()

    def told(result: Any) -> str:
        found = _answer(result, "restored")
        return tables.restored(found, stack.definition.backup_server() or "") if found else ""

    look.run(
        options, stack, stack.backup_of("restored", [database], name=name, at=at, label=label, source=source), told
    )


@app.command()
@shared
@refusing
def replace(  # noqa: PLR0917 - typer calls it, by name
    options: Common,
    database: Name,
    at: At = "",
    label: Annotated[
        str, typer.Option("--backup", metavar="LABEL", help="This backup, as it was when it was made.")
    ] = "",
    source: From = "",
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="FILE", help="The stack file of another stack, whose database it is."),
    ] = None,
    sql: Annotated[
        Path | None, typer.Option("--sql", metavar="FILE", help="Run in it, as its owner, before it serves.")
    ] = None,
    yes_replace: Annotated[
        str | None,
        typer.Option("--yes-replace", metavar="STACK/DATABASE", help="What is replaced; then nothing is asked."),
    ] = None,
) -> None:
    """Put a backup in the place of the database that serves, of this stack or another one. PostgreSQL and MariaDB.

    It is restored, checked, and made a database beside the one that serves; then the two change places, which ends
    sessions and takes a moment. What served before is kept beside it, under another name.
    """
    from longshore.cli.replace import confirm, put  # noqa: PLC0415 - as in look
    from longshore.stack import BadInput  # noqa: PLC0415 - as above

    stack = options.load()
    target = dataclasses.replace(options, file=into).load() if into is not None else stack
    stack.copy_of_backups(source)
    if stack.replaceable(database) != target.replaceable(database):
        raise BadInput(f"{database} of {target.name} is of another engine than {stack.name}'s; nothing was touched")
    confirm(target, database, yes_replace, "a backup", as_json=options.as_json)
    put(stack, target, database, {"label": label, "at": at, "source": source}, sql, as_json=options.as_json)


@app.command()
@shared
@refusing
def drop(options: Common, name: Restored) -> None:
    """End a restored instance, and remove its data."""
    stack = options.load()
    look.run(options, stack, stack.backup_of("dropped", [], name=name))


@app.command()
@shared
@refusing
def download(  # noqa: PLR0917 - typer calls it, by name
    options: Source,
    database: Name,
    words: Annotated[
        list[str],
        typer.Argument(metavar="[LABEL] FILE", help="A backup (default: the last moment); a new file, or a directory."),
    ],
    at: At = "",
    source: From = "",
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Restore, check, and bring what is in it here, for the engine's own tools.

    A dump for `pg_restore`, SQL of a MariaDB (gzip), the snapshot of a Redis. For nobody but you to read, and NOT
    encrypted; the checksum is beside it, in FILE.sha256.
    """
    from longshore.cli.download import bring  # noqa: PLC0415 - as in look
    from longshore.stack import BadInput  # noqa: PLC0415 - as above

    *labels, target = words
    if len(labels) > 1:
        raise BadInput(f"{' '.join(words)}: give the backup's LABEL and a FILE, or only a FILE")
    which = {"label": "".join(labels), "at": at, "source": source}
    bring(options.load(), database, target, which, as_json=as_json)


@app.command()
@shared
@refusing
def delete(
    options: Common,
    database: Name,
    label: Label,
    with_dependents: Annotated[
        bool, typer.Option("--with-dependents", help="Also those that can't be restored without it.")
    ] = False,
    yes_delete: Annotated[
        str | None, typer.Option("--yes-delete", metavar="LABEL", help="Its label again; then nothing is asked.")
    ] = None,
) -> None:
    """Remove a backup. Says what goes with it, and asks for its label.

    The last backup that a proof calls good stays; and nothing of the database itself is touched.
    """
    from longshore.stack import BadInput  # noqa: PLC0415 - as in look

    stack = options.load()

    def job(*, check: bool = False) -> Job:
        return stack.backup_of("deleted", [database], label=label, dependents=with_dependents, check=check)

    if yes_delete is None:
        if options.as_json:
            raise BadInput("--json asks nothing: give the label with --yes-delete LABEL; nothing was touched")
        typer.echo(_told(_foreseen(stack, job(check=True)), "This removes"), err=True)
        typer.echo("Its label, to go on: ", nl=False, err=True)
        yes_delete = sys.stdin.readline().strip()
    if yes_delete != label:
        raise BadInput(f"{yes_delete!r} is not the label of this backup; nothing was touched")
    look.run(options, stack, job(), lambda result: _told(_answer(result, "deletion"), "Removed:"))


def _answer(result: Result, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (result.data.get("database_backup") or {}).get(name) or {}
    return found


def _told(deletion: dict[str, Any], verb: str) -> str:
    return f"{verb} {', '.join(deletion['goes'])}\n{deletion['lost']}" if deletion else ""


def _foreseen(stack: Stack, job: Job) -> dict[str, Any]:
    """What a removal would take along. Ends the command when it is refused."""
    from longshore.cli.drive import drive  # noqa: PLC0415 - as in look
    from longshore.cli.summary import summary  # noqa: PLC0415 - as above
    from longshore.cli.views import QuietView  # noqa: PLC0415 - as above

    result = drive(job, QuietView())
    found = _answer(result, "deletion")
    if not found:
        typer.echo(summary(result, stack.definition))
        end(result.exit_code)
    return found
