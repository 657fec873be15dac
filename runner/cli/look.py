# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running jobs and showing what came of them; ``status``, ``ps`` and ``releases``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from longshore.cli.guarding import refusing
from longshore.cli.options import Common, shared

if TYPE_CHECKING:
    from longshore.runs import Job, Result
    from longshore.stack import Stack

app = typer.Typer()


def run(options: Common, stack: Stack, job: Job, more: Callable[[Result], str] = lambda _result: "") -> NoReturn:
    """Run a job to its end, with a summary and ``more`` unless JSON is wanted, and its exit code."""
    from longshore.cli.drive import finish  # noqa: PLC0415 - only when something runs
    from longshore.cli.summary import summary  # noqa: PLC0415 - as above
    from longshore.cli.views import choose  # noqa: PLC0415 - as above

    view = choose(as_json=options.as_json, verbosity=options.verbosity, diff=options.diff)

    def told(result: Result) -> str:
        return "\n\n".join(part for part in (summary(result, stack.definition), more(result)) if part)

    finish(job, view, _telling(options, told))


def plan(options: Common, stack: Stack, job: Job, command: str = "longshore up", title: str = "") -> NoReturn:
    """Run a check and show the changes that it foresees, as ``plan_text.plan`` has them."""
    from longshore.cli import plan_text  # noqa: PLC0415 - as above
    from longshore.cli.drive import finish  # noqa: PLC0415 - as above
    from longshore.cli.summary import kept, subject, summary  # noqa: PLC0415 - as above
    from longshore.cli.views import choose  # noqa: PLC0415 - as above
    from longshore.runs import Status  # noqa: PLC0415 - as above

    def told(result: Result) -> str:
        if result.status not in (Status.DONE, Status.DEGRADED):
            return summary(result, stack.definition)
        missed = f"\n\nNot reached, so not planned: {', '.join(result.unreachable)}" if result.unreachable else ""
        data = f"\n\n{stays}" if (stays := kept(result)) else ""
        return f"{subject(stack.definition)}\n\n{plan_text.plan(result, command, title)}{data}{missed}"

    view = choose(as_json=options.as_json, verbosity=options.verbosity, diff=options.diff)
    finish(job, view, _telling(options, told))


@app.command()
@shared
@refusing
def status(options: Common) -> None:
    """What runs where: services, servers, routes, lock."""
    from longshore.cli.summary import state  # noqa: PLC0415 - as above

    stack = options.load()
    show(options, stack, stack.jobs.status(), lambda result: state(result, stack.definition))


@app.command()
@shared
@refusing
def ps(
    options: Common,
    ended: Annotated[bool, typer.Option("--all", "-a", help="Also tasks that have ended.")] = False,
) -> None:
    """The tasks: where, since when, in which state."""
    from longshore.cli import tables  # noqa: PLC0415 - as above

    stack = options.load()
    show(
        options,
        stack,
        stack.jobs.status(),
        lambda result: tables.tasks(_info(result).get("tasks") or [], ended=ended) or "no task runs",
    )


@app.command()
@shared
@refusing
def releases(options: Common) -> None:
    """The releases, which `rollback` can go back to."""
    from longshore.cli import tables  # noqa: PLC0415 - as above

    stack = options.load()
    show(
        options,
        stack,
        stack.jobs.status(),
        lambda result: tables.releases(_info(result).get("releases") or []) or "no release yet",
    )


def _info(result: Result) -> dict[str, list[dict[str, object]]]:
    return result.data.get("stack_info") or {}


def show(options: Common, stack: Stack, job: Job, tell: Callable[[Result], str]) -> NoReturn:
    """Run a job that only looks, and tell what it saw."""
    from longshore.cli.drive import finish  # noqa: PLC0415 - as above
    from longshore.cli.summary import summary  # noqa: PLC0415 - as above
    from longshore.cli.views import QuietView, choose  # noqa: PLC0415 - as above
    from longshore.runs import Status  # noqa: PLC0415 - as above

    def told(result: Result) -> str:
        shown = result.status in (Status.DONE, Status.DEGRADED)
        return tell(result) if shown else summary(result, stack.definition)

    view = choose(as_json=True, result_only=True) if options.as_json else QuietView()
    finish(job, view, _telling(options, told))


def _telling(options: Common, tell: Callable[[Result], str]) -> Callable[[Result], None] | None:
    return None if options.as_json else lambda result: typer.echo(tell(result))
