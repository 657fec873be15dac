# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore db``: the databases, and which server is primary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from longshore.cli import look
from longshore.cli.guarding import refusing
from longshore.cli.options import Common, shared

if TYPE_CHECKING:
    from longshore.runs import Result

app = typer.Typer(help="Databases: how they are, who is primary.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="DATABASE", help="Its name in the stack file.")]
Server = Annotated[str, typer.Argument(metavar="SERVER", help="Its name in the stack file.")]


@app.command()
@shared
@refusing
def status(options: Common) -> None:
    """Each server's role, lag, timeline, size and connections.

    Exit code 4 when a server is not reached, or a primary's log can't be sent to its backups.
    """
    from longshore.cli import tables  # noqa: PLC0415 - as in look

    stack = options.load()
    servers = {name: database.servers for name, database in stack.definition.databases.items()}

    def told(result: Result) -> str:
        return "\n\n".join([tables.databases(result.databases, servers), *result.notices])

    look.show(options, stack, stack.jobs.db_status(), told)


@app.command()
@shared
@refusing
def switchover(
    options: Common,
    database: Name,
    to: Annotated[str, typer.Option("--to", metavar="SERVER", help="Default: the replica that is least behind.")] = "",
) -> None:
    """Have another server become primary. Nothing is lost; writes wait for a second or two."""
    stack = options.load()
    look.run(options, stack, stack.order_of(database, "switchover", to))


@app.command()
@shared
@refusing
def promote(options: Common, database: Name, server: Server) -> None:
    """Make a replica primary where the primary is lost for good.

    What only the lost primary has is lost. Refused while there is a primary.
    """
    stack = options.load()
    look.run(options, stack, stack.order_of(database, "promote", server))


@app.command()
@shared
@refusing
def rotate(options: Common, databases: Annotated[list[str], typer.Argument(metavar="DATABASE...")]) -> None:
    """Give the services that use these databases new passwords.

    Both are good until all services have the new one; then the former one ends. Nobody is cut off.
    """
    stack = options.load()
    look.run(options, stack, stack.rotation_of(databases))


@app.command()
@shared
@refusing
def remove(options: Common, database: Name, server: Server) -> None:
    """End a replica; then take its server out of the database's servers in the stack file.

    Its data stay there. The primary serves on.
    """
    stack = options.load()
    look.run(options, stack, stack.order_of(database, "remove", server))


@app.command()
@shared
@refusing
def resync(options: Common, database: Name, server: Server) -> None:
    """Copy the primary's data to a replica anew. The primary serves on.

    What the replica had is put aside on its server; of a PostgreSQL it is removed.
    """
    stack = options.load()
    look.run(options, stack, stack.order_of(database, "resync", server))
