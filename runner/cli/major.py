# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore db upgrade --major``: who is asked, and what is shown of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import typer
from longshore.cli import look
from longshore.stack import BadInput, Stack

if TYPE_CHECKING:
    from longshore.cli.options import Common
    from longshore.runs import Result

MODES = ("auto", "link", "clone", "copy")


@dataclass(frozen=True)
class Wish:
    """What the command line says of an upgrade: the ``version``, and how."""

    version: str
    rehearse: bool
    mode: str
    yes_stop: str | None


def upgrade(options: Common, stack: Stack, databases: Sequence[str], wish: Wish) -> NoReturn:
    """Upgrade one database, or rehearse it, and show what came of it."""
    if len(databases) != 1:
        raise BadInput("--major is for one database: name it; nothing was touched")
    if wish.mode not in MODES:
        raise BadInput(f"--mode {wish.mode[:20]!r} is none of {', '.join(MODES)}; nothing was touched")
    (name,) = databases
    job = stack.major_of(name, wish.version, mode=wish.mode, rehearse=wish.rehearse)
    if not wish.rehearse:
        _confirm(stack, name, wish.yes_stop, as_json=options.as_json)
    look.run(options, stack, job, lambda result: told(result, name, wish))


def _confirm(stack: Stack, database: str, said: str | None, *, as_json: bool) -> None:
    name = f"{stack.name}/{database}"
    if said is None:
        if as_json:
            raise BadInput(f"--json asks nothing: say --yes-stop {name}; nothing was touched")
        typer.echo(
            f"Nobody can use {database} of {stack.name} while pg_upgrade works: with --rehearse you see for how long.",
            err=True,
        )
        typer.echo(f"Its name, {name}, to go on: ", nl=False, err=True)
        said = sys.stdin.readline().strip()
    if said != name:
        raise BadInput(f"{said!r} is not {name}; nothing was touched")


def told(result: Result, database: str, wish: Wish) -> str:
    """What there is to know of it besides an ordinary run."""
    parts = []
    rehearsal = (result.data.get("database_backup") or {}).get("rehearsal")
    if rehearsal:
        parts.append(
            f"Rehearsed on a copy of the backup {rehearsal['label']}: {rehearsal['rows']} rows in "
            f"{rehearsal['tables']} tables, the same after it. pg_upgrade took {rehearsal['upgrade']:.1f} s there."
        )
    elif wish.rehearse and result.exit_code in (0, 4):
        parts.append(f"{database} has no backups, so only what can be checked while it serves was: it can be upgraded.")
    done = result.data.get("postgresql_major") or {}
    if done.get("outage") is not None:
        parts.append(
            f"{database} is PostgreSQL {wish.version}. Nobody could use it for {done['outage']:.1f} s (by "
            f"{done['mode']}). Its former data are in {done['kept']} on each of its servers; remove them once you "
            "don't need them."
        )
    return "\n\n".join(parts)
