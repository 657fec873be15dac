# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore db``: the databases, and which server is primary."""

from __future__ import annotations

import sys
from pathlib import Path
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
    """Each server's role, lag, timeline, size, room on its disk and connections.

    Exit code 4 when a server is not reached, its disk is nearly full, or a primary's log can't be sent to its backups.
    """
    from longshore.cli import tables  # noqa: PLC0415 - as in look

    stack = options.load()
    definition = stack.definition
    servers = {
        name: database.servers or definition.external_askers(name) for name, database in definition.databases.items()
    }

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
def forget(
    options: Common,
    server: Server,
    yes_lost: Annotated[
        str | None, typer.Option("--yes-lost", metavar="SERVER", help="Its name again; then nothing is asked.")
    ] = None,
) -> None:
    """Have no database count on a server any more that is lost for good. Refused while it answers.

    Its place is free then: put another server in it in the stack file, and run `up`.
    """
    from longshore.stack import BadInput  # noqa: PLC0415 - as in look

    stack = options.load()
    job = stack.forgetting_of(server)
    if yes_lost is None:
        if options.as_json:
            raise BadInput(f"--json asks nothing: say --yes-lost {server}; nothing was touched")
        typer.echo(
            f"If {server} comes back, its databases are copied anew or stay out. Its name, to go on: ",
            nl=False,
            err=True,
        )
        yes_lost = sys.stdin.readline().strip()
    if yes_lost != server:
        raise BadInput(f"{yes_lost!r} is not {server}; nothing was touched")
    look.run(options, stack, job)


@app.command("import")
@shared
@refusing
def import_(
    options: Common,
    database: Name,
    dump: Annotated[Path, typer.Argument(metavar="FILE", help="Of pg_dump or mariadb-dump, packed or not.")],
    sql: Annotated[
        Path | None, typer.Option("--sql", metavar="FILE", help="Run in it, as its owner, before it serves.")
    ] = None,
    yes_replace: Annotated[
        str | None,
        typer.Option("--yes-replace", metavar="STACK/DATABASE", help="What is replaced; then nothing is asked."),
    ] = None,
) -> None:
    """Put a dump, as of a database elsewhere, in the place of the database that serves.

    Of a PostgreSQL a database is made of it beside the one that serves, all of it its owner's; then the two exchange
    names, which ends sessions and takes a moment. What served before is kept beside it, under another name. A MariaDB
    takes a dump only while it is empty, and its owner is locked out meanwhile.
    """
    from longshore.cli.replace import confirm, take  # noqa: PLC0415 - as in look

    stack = options.load()
    stack.fillable(database)
    confirm(stack, database, yes_replace, f"what {dump} holds", as_json=options.as_json)
    take(stack, database, dump, sql, as_json=options.as_json)


@app.command()
@shared
@refusing
def rotate(
    options: Common,
    databases: Annotated[list[str], typer.Argument(metavar="DATABASE...")],
    *,
    internal: Annotated[
        bool, typer.Option("--internal", help="For what runs inside: replicas, failover, backups, figures.")
    ] = False,
) -> None:
    """Give the services that use these databases new passwords.

    Both are good until all services have the new one; then the former one ends. Nobody is cut off.

    With --internal the services keep theirs, and what runs inside the databases gets new ones in the same way.
    """
    stack = options.load()
    look.run(options, stack, (stack.internal_rotation_of if internal else stack.rotation_of)(databases))


@app.command()
@shared
@refusing
def kept(options: Common) -> None:
    """What servers keep of databases beside their data: from before upgrades, moves and copies, and of ended ones.

    Nothing uses it, and nothing but `longshore db discard` removes it.
    """
    from longshore.cli import former  # noqa: PLC0415 - as in look

    stack = options.load()
    look.show(options, stack, stack.jobs.db_kept(), former.told)


@app.command()
@shared
@refusing
def discard(
    options: Common,
    database: Annotated[str, typer.Argument(metavar="DATABASE", help="Its name; it need not be in the file any more.")],
    yes_discard: Annotated[
        str | None,
        typer.Option("--yes-discard", metavar="STACK/DATABASE", help="Whose kept data go; then nothing is asked."),
    ] = None,
) -> None:
    """Remove what `longshore db kept` shows of a database, on all servers that answer. It does not come back."""
    from longshore.cli import former  # noqa: PLC0415 - as in look

    former.discard(options, options.load(), database, yes_discard)


@app.command()
@shared
@refusing
def upgrade(
    options: Common,
    databases: Annotated[
        list[str] | None, typer.Argument(metavar="DATABASE...", help="Default: all that can be upgraded.")
    ] = None,
    *,
    major: Annotated[
        str, typer.Option("--major", metavar="VERSION", help="Of one PostgreSQL: to this major version.")
    ] = "",
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="With --major: only try it, on a restored copy.")
    ] = False,
    mode: Annotated[
        str,
        typer.Option("--mode", metavar="MODE", help="With --major: link, clone or copy the data. Default: what fits."),
    ] = "auto",
    yes_stop: Annotated[
        str | None,
        typer.Option("--yes-stop", metavar="STACK/DATABASE", help="Whose writes stop; then nothing is asked."),
    ] = None,
) -> None:
    """Install the newest packages of their engines, within the same major version, and restart what runs an older one.

    On all servers that have such a database: replicas first, one at a time, then primaries. Nothing else upgrades them.

    With --major one PostgreSQL is brought to another major version, which the stack file says by then. A fresh backup
    is restored and upgraded first; then writes stop while the database itself is. The former data are kept.
    """
    stack = options.load()
    if major:
        from longshore.cli import major as majors  # noqa: PLC0415 - as in look

        majors.upgrade(options, stack, databases or [], majors.Wish(major, rehearse, mode, yes_stop))
    elif rehearse or mode != "auto" or yes_stop is not None:
        from longshore.stack import BadInput  # noqa: PLC0415 - as in look

        raise BadInput("--rehearse, --mode and --yes-stop belong to --major VERSION; nothing was touched")
    look.run(options, stack, stack.upgrade_of(databases or []))


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
