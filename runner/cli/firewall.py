# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore firewall``: whom the servers let in, what that would change, and what is open from here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from longshore.cli import look
from longshore.cli.ending import end
from longshore.cli.guarding import refusing
from longshore.cli.options import Common, Json, Source, shared

if TYPE_CHECKING:
    from longshore.runs import Result

app = typer.Typer(
    help="The firewall: its rules, what is open, doors that close by themselves.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Servers = Annotated[
    list[str] | None, typer.Option("--server", metavar="NAME", help="Of this server; may be given again.")
]
Protocol = Annotated[str, typer.Option("--protocol", metavar="tcp|udp", help="Of the port.")]
PortOption = Annotated[int, typer.Option("--port", min=1, max=65535, metavar="N", help="The port.")]


@app.command()
@shared
@refusing
def rules(options: Source, server: Servers = None, as_json: Json = False) -> None:
    """The rules of each server, as the stack file makes them: the stack's own needs, then `firewall`.

    Asks no server.
    """
    from longshore.cli import firewall_text  # noqa: PLC0415 - as in look

    stack = options.load()
    known = {name: stack.definition.firewall_rules(name) for name in stack.guarded(server or [])}
    typer.echo(json.dumps(known) if as_json else firewall_text.rules(known))


@app.command()
@shared
@refusing
def plan(options: Common) -> None:
    """Show what `firewall apply`, or `up`, would change in the rules, and touch nothing.

    Exit code 2 when there are changes.
    """
    stack = options.load()
    stack.guarded()
    look.plan(options, stack, stack.jobs.firewall(check=True), "longshore firewall apply", "Firewall")


@app.command()
@shared
@refusing
def apply(options: Common) -> None:
    """Put the rules in force on every server, and nothing else of the stack file.

    Rules that would cut this machine off are taken back by themselves.
    """
    stack = options.load()
    stack.guarded()
    look.run(options, stack, stack.jobs.firewall())


@app.command()
@shared
@refusing
def check(
    options: Source,
    server: Servers = None,
    ports: Annotated[str, typer.Option("--ports", metavar="FIRST-LAST", help="Dial these too, such as 1-65535.")] = "",
    source: Annotated[
        str, typer.Option("--from", metavar="ADDRESS", help="The address that servers see of this machine.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Dial TCP ports of the servers from here, and compare who answers with whom the rules let in.

    Ports of rules, of the stack's own parts and of what is often open by mistake. Exit code 1 when one is open that
    should not be, or silent that should be open.
    """
    from longshore.cli import firewall_text  # noqa: PLC0415 - as in look

    stack = options.load()
    found = stack.probed(server or [], ports, source)
    wrong = any(each["wrong"] for each in found)
    typer.echo(json.dumps(found) if as_json else firewall_text.probed(found))
    end(1 if wrong else 0)


@app.command()
@shared
@refusing
def lease(  # noqa: PLR0917 - typer calls it, by name
    options: Common,
    port: PortOption = 22,
    duration: Annotated[str, typer.Option("--for", metavar="TIME", help="Such as 20m or 2h; 0 closes it.")] = "20m",
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="ADDRESS", help="Who is let in, or any. Default: this machine, as servers see it."
        ),
    ] = "",
    protocol: Protocol = "tcp",
    server: Servers = None,
) -> None:
    """Let an address reach a port for a while, beside the rules.

    It ends by itself, whatever becomes of this machine.
    `up` leaves it; a server's restart ends it. Whom `deny` keeps out stays out.
    """
    stack = options.load()
    job = stack.lease_of(port, duration, source=source, protocol=protocol, servers=server or [])
    look.run(options, stack, job)


@app.command()
@shared
@refusing
def leases(options: Common, server: Servers = None) -> None:
    """The leases that servers have, and how long yet."""
    from longshore.cli import firewall_text  # noqa: PLC0415 - as in look

    stack = options.load()
    names = stack.guarded(server or [])

    def told(result: Result) -> str:
        known: dict[str, Any] = dict(result.leases)
        return firewall_text.leases(known)

    look.show(options, stack, stack.jobs.firewall_leases(names), told)
