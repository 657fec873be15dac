# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``longshore logs``."""

from __future__ import annotations

import functools
import json
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from longshore.cli.ending import end
from longshore.cli.guarding import refusing
from longshore.cli.options import LogSource, shared

if TYPE_CHECKING:
    from types import FrameType

    from longshore.runs.logs import LogLine, Streams

app = typer.Typer()

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


@app.command()
@shared
@refusing
def logs(  # noqa: PLR0917 - typer calls it, by name
    options: LogSource,
    services: Annotated[list[str] | None, typer.Argument(metavar="SERVICE...", help="Default: all.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines appear, until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="Such as 10m, 2h, 2026-01-31T14:25:00.")] = "",
    tail: Annotated[
        int | None, typer.Option("--tail", "-n", min=0, metavar="N", help="The last N lines of each container.")
    ] = None,
    previous: Annotated[bool, typer.Option("--previous", help="Also of containers that have ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON per line.")] = False,
) -> None:
    """The services' logs from all servers, merged by time.

    -f follows; the stack file is given with --file.
    """
    from longshore.runs import ssh  # noqa: PLC0415 - only when something runs
    from longshore.runs.logs import SINCE, Query, Streams  # noqa: PLC0415 - as above
    from longshore.stack import BadInput  # noqa: PLC0415 - as above

    if since and not SINCE.fullmatch(since):
        raise BadInput(f"--since {since}: give a time such as 10m, 2h30m, 2026-01-31 or 2026-01-31T14:25:00Z")
    stack = options.load()
    names = stack.services(services or [])
    labels = [f"com.docker.swarm.service.name={stack.name}_{name}" for name in names]
    query = Query(
        labels=labels or [f"longshore.stack={stack.name}"],
        since=since,
        tail="all" if tail is None else str(tail),
        ended=previous,
        follow=follow,
    )
    commands = {
        server: ssh.argv(stack.definition.servers[server].connection(), query.words())
        for server in stack.definition.docker_hosts()
    }
    colour = sys.stdout.isatty()
    try:
        with Streams(commands, stack.name) as streams:
            signal.signal(signal.SIGINT, functools.partial(_stop, streams))
            for line in streams.lines():
                sys.stdout.write(_json(line) if as_json else _text(line, colour=colour))
                sys.stdout.flush()
    except KeyboardInterrupt:
        end(0 if follow else 130)
    if not streams.going:
        end(0 if follow else 130)
    end(_told(streams, len(commands), as_json=as_json))


def _told(streams: Streams, servers: int, *, as_json: bool) -> int:
    """Say what could not be read; the exit code."""
    problems = [f"{where}: {why}" for where, why in sorted([*streams.failed.items(), *streams.unread.items()])]
    code = 1 if streams.unread or len(streams.failed) == servers else 4 if streams.failed else 0
    for problem in problems:
        typer.echo(problem, err=True)
    if as_json and problems:
        status = "degraded" if code == 4 else "failed"
        told = [{"text": problem, "message": problem} for problem in problems]
        typer.echo(json.dumps({"type": "run_finished", "status": status, "exit_code": code, "problems": told}))
    return code


def _stop(streams: Streams, number: int, frame: FrameType | None) -> None:
    # An exception can get lost, in a finalizer for instance; it comes with the second Ctrl-C, for a pipe that is full.
    if not streams.going:
        signal.default_int_handler(number, frame)
    streams.stop()


def _text(line: LogLine, *, colour: bool) -> str:
    label = f"{line.task}@{line.server}"
    if colour:
        label = f"\033[{_COLOURS[sum(line.task.encode()) % len(_COLOURS)]}m{label}\033[0m"
    return f"{label} | {line.text}\n"


def _json(line: LogLine) -> str:
    return json.dumps({"time": line.time, "server": line.server, "task": line.task, "text": line.text}) + "\n"
