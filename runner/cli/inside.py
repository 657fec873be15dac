# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands inside of services: ``exec`` in a container that runs, ``run`` in one of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from longshore.cli import look
from longshore.cli.ending import end
from longshore.cli.guarding import refusing
from longshore.cli.options import Common, Source, shared

if TYPE_CHECKING:
    from longshore.runs.containers import Container
    from longshore.stack import Stack

app = typer.Typer()

Service = Annotated[str, typer.Argument(metavar="SERVICE")]
Command = Annotated[list[str], typer.Argument(metavar="[--] COMMAND...")]
# Words after the service's name belong to the command, options too.
_REST = {"ignore_unknown_options": True, "allow_interspersed_args": False}
# The secret environment is exported by the helper that every container of ours has (docker_host's role).
_HELPER = ("/.longshore/busybox", "sh", "/.longshore/run")


@app.command("exec", context_settings=_REST)
@shared
@refusing
def exec_(
    options: Source,
    service: Service,
    command: Command,
    server: Annotated[str | None, typer.Option("--server", metavar="NAME", help="On this server.")] = None,
    slot: Annotated[int | None, typer.Option("--slot", min=1, metavar="N", help="In this task: 1 is web.1.")] = None,
) -> None:
    """Run a command in a running container of a service.

    With the service's environment and secrets. The exit code is the command's.
    """
    from longshore.runs import ssh  # noqa: PLC0415 - only when something runs

    stack = options.load()
    container = _container(stack, stack.service(service), stack.server(server) if server else None, slot)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    options_ = ["--interactive", *(["--tty"] if terminal else [])]
    words = ["docker", "exec", *options_, container.id, *_HELPER, *_words(command)]
    connection = stack.definition.servers[container.server].connection()
    # Ctrl-C belongs to the command over there; ssh hands it on.
    end(_call(ssh.argv(connection, words, terminal=terminal)))


@app.command("run", context_settings=_REST)
@shared
@refusing
def run(options: Common, service: Service, command: Command) -> None:
    """Run a command once, in a container of its own.

    With the image, environment, secrets, volumes and networks that the service has now.
    """
    stack = options.load()
    look.run(options, stack, stack.jobs.run(stack.service(service), _words(command)))


def _words(command: list[str]) -> list[str]:
    # Since options behind the service are the command's, the parser leaves the separator in place.
    return command[1:] if command[0] == "--" else command


def _container(stack: Stack, service: str, server: str | None, slot: int | None) -> Container:
    from longshore.runs import containers, ssh  # noqa: PLC0415 - as above

    servers = [server] if server else stack.definition.docker_hosts()
    listing = containers.listing(f"{stack.name}_{service}")
    known = {name: ssh.argv(stack.definition.servers[name].connection(), listing) for name in servers}
    found, failed = containers.find(known)
    for name, why in sorted(failed.items()):
        typer.echo(f"{name}: {why}", err=True)
    chosen = [container for container in found if slot in (None, container.slot)]
    if not chosen:
        where = f" on {server}" if server else ""
        which = f"{service}.{slot}" if slot else service
        if len(failed) == len(servers):
            told = f"no server answered, so a container of {which} could not be looked for"
        elif failed:
            told = f"no container of {which} runs on the servers that answered"
        else:
            told = f"no container of {which} runs{where}; `longshore ps` shows what does"
        typer.echo(told, err=True)
        end(1)
    return chosen[0]


def _call(command: list[str]) -> int:
    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
