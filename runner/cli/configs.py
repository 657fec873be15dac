# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore config``: the settings of databases, what would change in them, and which they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from longshore.cli import look
from longshore.cli.guarding import refusing
from longshore.cli.options import Common, shared

if TYPE_CHECKING:
    from longshore.runs import Result

app = typer.Typer(
    help="Settings of databases: compare them, see which they were, bring them back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="DATABASE", help="Its name in the stack file.")]


@app.command()
@shared
@refusing
def diff(
    options: Common,
    database: Annotated[str, typer.Argument(metavar="DATABASE", help="Default: all of them.")] = "",
    number: Annotated[int | None, typer.Argument(metavar="N", min=1, help="Default: the stack file.")] = None,
    other: Annotated[int | None, typer.Argument(metavar="M", min=1, help="From version N to M.")] = None,
) -> None:
    """Show what `up`, or with N `config revert`, would change in settings, and what needs a restart. Touches nothing.

    Field by field, against what the servers have. Exit code 2 when there is a difference.
    """
    from longshore.cli import config_text  # noqa: PLC0415 - as in look

    stack = options.load()
    job = stack.config_diff_of(database, number or 0, other or 0)
    if number and other:
        first, second = number, other
        look.show(options, stack, job, lambda result: config_text.differences(result, database, first, second))
    command = f"longshore config revert {database} {number}" if number else "longshore up"
    look.plan(options, stack, job, command, "Settings")


@app.command()
@shared
@refusing
def history(options: Common, database: Name) -> None:
    """The versions of a database's settings: when, by whom, what was changed. The newest 50 are kept."""
    from longshore.cli import config_text  # noqa: PLC0415 - as in look

    stack = options.load()
    look.show(options, stack, stack.config_history_of(database), config_text.history)


@app.command()
@shared
@refusing
def revert(
    options: Common,
    database: Name,
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="The version, as `config history` calls it.")],
) -> None:
    """Bring the settings of a version back: checked, replicas first, one at a time, as `up` does it.

    That makes a new version. The stack file isn't changed, so the next `up` brings what it says again.
    """
    from longshore.cli import config_text  # noqa: PLC0415 - as in look

    stack = options.load()
    job = stack.config_revert_of(database, number)
    known = stack.definition.databases[database]

    def told(result: Result) -> str:
        # What a template gives is not known here.
        return config_text.reverted(result, database, None if known.template is not None else known.settings)

    look.run(options, stack, job, told)
