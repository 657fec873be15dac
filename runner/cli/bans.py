# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore bans``: who is banned, and who tried what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from longshore.cli import look
from longshore.cli.guarding import refusing
from longshore.cli.options import Common, shared

if TYPE_CHECKING:
    from longshore.runs import Result

app = typer.Typer(
    help="Who is banned, and who tried what: list, add, remove, attacks.", no_args_is_help=True, rich_markup_mode=None
)

Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="IPv4 or IPv6.")]


@app.command("list")
@shared
@refusing
def list_(options: Common) -> None:
    """Who is banned where, for what and until when."""
    stack = options.load()
    look.show(options, stack, stack.bans_job("list"), lambda result: _bans(result) or "nobody is banned")


@app.command()
@shared
@refusing
def add(
    options: Common,
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="Addresses, or networks.")],
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="Such as 2h or 7d; or ever.")] = "1d",
) -> None:
    """Keep addresses or networks out of all servers of the stack.

    The stack's own servers, those in `bans.ignore` and where you are now are refused.
    """
    stack = options.load()
    look.run(options, stack, stack.bans_job("add", addresses, duration=duration), _bans)


@app.command()
@shared
@refusing
def remove(options: Common, addresses: Addresses) -> None:
    """Lift all bans of addresses, whatever they were for. What they did is forgotten."""
    stack = options.load()
    look.run(options, stack, stack.bans_job("remove", addresses), _bans)


@app.command()
@shared
@refusing
def attacks(
    options: Common,
    hours: Annotated[int, typer.Option("--hours", min=1, max=24 * 30, metavar="N", help="How far back.")] = 24,
) -> None:
    """Who tried to break in where, in the last 24 hours."""
    stack = options.load()
    look.show(options, stack, stack.bans_job("attacks", hours=hours), lambda result: _attacks(result) or "no attacks")


def _bans(result: Result) -> str:
    from longshore.cli import tables  # noqa: PLC0415 - as in look

    rows = [
        (ban["address"], server, ban["jail"], tables.moment(ban["since"]), tables.moment(ban["until"]) or "for ever")
        for server, ban in _each(result, "bans")
    ]
    return tables.table(("ADDRESS", "SERVER", "FOR", "SINCE (UTC)", "UNTIL (UTC)"), rows)


def _attacks(result: Result) -> str:
    from longshore.cli import tables  # noqa: PLC0415 - as in look

    found = sorted(_each(result, "attacks"), key=lambda each: -each[1]["attempts"])
    rows = [
        (
            *(attack["address"], server, attack["target"], str(attack["attempts"]), str(attack["bans"])),
            *(tables.moment(attack["first"]), tables.moment(attack["last"])),
        )
        for server, attack in found
    ]
    return tables.table(("ADDRESS", "SERVER", "TARGET", "ATTEMPTS", "BANS", "FIRST (UTC)", "LAST (UTC)"), rows)


def _each(result: Result, what: str) -> list[tuple[str, dict[str, Any]]]:
    return [(server, item) for server, found in sorted(result.bans.items()) for item in found.get(what) or []]
