# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore backup download``: what is shown of it, and how it ends."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

import typer
from longshore.cli import tables
from longshore.cli.ending import end
from longshore.runs import downloads, ssh
from longshore.runs.exit_code import ExitCode
from longshore.stack import BadInput, Stack


def bring(stack: Stack, database: str, target: str, which: dict[str, str], *, as_json: bool) -> NoReturn:
    """Bring a backup to ``target``, a new file or a directory; then end.

    ``which``: ``label`` (empty: the last moment, or ``at``), ``source`` (the copy that it is taken from).
    """
    (stanza,) = stack.stanzas([database])
    stack.copy_of_backups(which["source"])
    server = stack.definition.backup_server() or ""
    try:
        path, bare = downloads.place(target, f"{stanza}-{which['label'] or f'{datetime.now(UTC):%Y%m%dT%H%M%SZ}'}")
    except downloads.DownloadError as error:
        raise BadInput(str(error)) from error
    connection = stack.definition.servers[server].connection()
    argv = ssh.argv(connection, downloads.command(stack.name, stanza, **which))
    if not as_json:
        typer.echo(f"{server} restores {database}, checks it, and sends what is in it …", err=True)
    # As Ctrl-C: nothing is left behind.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        found = downloads.fetch(argv, path, bare=bare, seen=counter(shown=not as_json))
    except downloads.DownloadError as error:
        ended("failed", ExitCode.FAILED, f"x {server}\n    {error}", as_json, server=server, message=str(error))
    except KeyboardInterrupt:
        ended("cancelled", ExitCode.CANCELLED, "Nothing is left of it, here or there.", as_json, server=server)
    ended("done", ExitCode.DONE, tables.downloaded(found), as_json, server=server, download=found)


def counter(*, shown: bool) -> Callable[[int], None]:
    """Tells how much has come, once a second, where somebody looks."""
    shown, last = shown and sys.stderr.isatty(), time.monotonic()

    def seen(count: int) -> None:
        nonlocal last
        if shown and time.monotonic() - last > 1:
            last = time.monotonic()
            typer.echo(f"\r{tables.size(count)}   \r", nl=False, err=True)

    return seen


def ended(status: str, code: ExitCode, told: str, as_json: bool, **about: Any) -> NoReturn:
    """Tell how it ended, and end the command."""
    if as_json:
        typer.echo(json.dumps({"type": "run_finished", "status": status, "exit_code": int(code), **about}))
    else:
        typer.echo(told, err=code is not ExitCode.DONE)
    end(code)
