# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every command does with input that cannot be used."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer
from longshore.cli.ending import end

if TYPE_CHECKING:
    from longshore.definition.problems import Problem

_BAD_INPUT = 3


def refusing(function: Callable[..., None]) -> Callable[..., None]:
    """End with 3 and the reasons on standard error, with ``--json`` as JSON on standard output too."""

    @functools.wraps(function)
    def wrapper(*words: Any, **given: Any) -> None:
        try:
            function(*words, **given)
        except (ValueError, RuntimeError) as error:
            problems = reasons(error)
            if problems is None:
                raise
            if given.get("as_json") or getattr(given.get("options"), "as_json", False):
                typer.echo(json.dumps(refusal(problems)))
            for problem in problems:
                typer.echo(problem["text"], err=True)
            end(_BAD_INPUT)

    return wrapper


def reasons(error: Exception) -> list[dict[str, Any]] | None:
    """Each reason's ``text``, and its place when it is about the stack file; None for another kind of error."""
    from longshore.definition import DefinitionError  # noqa: PLC0415 - only when something is wrong
    from longshore.runs.storage import StateError  # noqa: PLC0415 - as above
    from longshore.stack import BadInput  # noqa: PLC0415 - as above

    if isinstance(error, DefinitionError):
        return list(map(placed, error.problems))
    return [{"text": str(error), "message": str(error)}] if isinstance(error, BadInput | StateError) else None


def placed(problem: Problem) -> dict[str, Any]:
    """What there is to say of one place in the stack file, for programs."""
    return {"text": str(problem), **dataclasses.asdict(problem)}


def refusal(problems: list[dict[str, Any]]) -> dict[str, Any]:
    """The result, as JSON data, of a command that was refused."""
    return {"type": "run_finished", "status": "bad_input", "exit_code": _BAD_INPUT, "problems": problems}
