# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands about files alone: nothing runs, no server is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from longshore.cli.ending import end
from longshore.cli.guarding import placed, reasons, refusing
from longshore.cli.options import Json, Source, shared

app = typer.Typer()

_BAD_INPUT = 3


@app.command()
@shared
def validate(options: Source, as_json: Json = False) -> None:
    """Report everything that is wrong with the stack file, and what may surprise its operator.

    Asks no server. Exit code 3 when something is wrong.
    """
    from longshore.stack import BadInput  # noqa: PLC0415 - pydantic only when a file is read

    problems, notices = [], []
    try:
        notices = list(map(placed, options.load().definition.notices))
    except (BadInput, ValueError) as error:
        found = reasons(error)
        if found is None:
            raise
        problems = found
    if as_json:
        typer.echo(json.dumps({"valid": not problems, "problems": problems, "notices": notices}))
    elif not problems:
        typer.echo(f"{options.path()} is valid")
    for each in (*problems, *notices):
        typer.echo(each["text"], err=True)
    end(_BAD_INPUT if problems else 0)


@app.command()
def schema(
    as_json: Annotated[bool, typer.Option("--json", help="It is JSON in any case.")] = False,  # noqa: ARG001 - as said
) -> None:
    """The JSON Schema of the stack file, for editors."""
    from longshore.definition import json_schema  # noqa: PLC0415 - as above

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command("import")
@refusing
def import_compose(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="compose.yml")],
    as_json: Annotated[bool, typer.Option("--json", help="The text and the notes as JSON.")] = False,
) -> None:
    """Turn a Compose file into a stack file.

    What was left out or needs a look goes to standard error.
    """
    from longshore.definition import import_compose as take  # noqa: PLC0415 - as above

    result = take(file)
    if as_json:
        typer.echo(json.dumps({"text": result.text, "notes": result.notes}))
        return
    typer.echo(result.text, nl=False)
    for note in result.notes:
        typer.echo(f"note: {note}", err=True)
