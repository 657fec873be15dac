# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands inside of services: ``exec`` in a container that runs, ``run`` in one of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from threading import Lock, Thread
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn

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
def exec_(  # noqa: PLR0917 - typer calls it, by name
    options: Source,
    service: Service,
    command: Command,
    server: Annotated[str | None, typer.Option("--server", metavar="NAME", help="On this server.")] = None,
    slot: Annotated[int | None, typer.Option("--slot", min=1, metavar="N", help="In this task: 1 is web.1.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON per line, then the result.")] = False,
) -> None:
    """Run a command in a running container of a service.

    With the service's environment and secrets. The exit code is the command's.
    """
    from longshore.runs import ssh  # noqa: PLC0415 - only when something runs

    words = _words(command)
    stack = options.load()
    container, problems = _container(stack, stack.service(service), stack.server(server) if server else None, slot)
    for problem in problems:
        typer.echo(problem, err=True)
    if container is None:
        _finish(1, as_json=as_json, problems=[{"text": problem, "message": problem} for problem in problems])
    terminal = not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    options_ = ["--interactive", *(["--tty"] if terminal else [])]
    call = ["docker", "exec", *options_, container.id, *_HELPER, *words]
    connection = stack.definition.servers[container.server].connection()
    # Ctrl-C belongs to the command over there; ssh hands it on.
    argv = ssh.argv(connection, call, terminal=terminal)
    code = _passed_on(argv) if as_json else _call(argv)
    _finish(code, as_json=as_json, server=container.server, container=container.id)


@app.command("run", context_settings=_REST)
@shared
@refusing
def run(options: Common, service: Service, command: Command) -> None:
    """Run a command once, in a container of its own.

    With the image, environment, secrets, volumes and networks that the service has now.
    """
    words = _words(command)
    stack = options.load()
    look.run(options, stack, stack.jobs.run(stack.service(service), words))


def _words(command: list[str]) -> list[str]:
    # Since what stands behind the service is the command's, the parser leaves options and the separator in place.
    if command[0] == "--":
        return command[1:]
    if command[0].startswith("-"):
        from longshore.stack import BadInput  # noqa: PLC0415 - as above

        raise BadInput(f"{command[0]}: options stand before the service's name, the command behind it")
    return command


def _container(stack: Stack, service: str, server: str | None, slot: int | None) -> tuple[Container | None, list[str]]:
    """The container that is meant, and what kept it, or others, from being found."""
    from longshore.runs import containers, ssh  # noqa: PLC0415 - as above

    servers = [server] if server else stack.definition.docker_hosts()
    listing = containers.listing(f"{stack.name}_{service}")
    known = {name: ssh.argv(stack.definition.servers[name].connection(), listing) for name in servers}
    found, failed = containers.find(known)
    problems = [f"{name}: {why}" for name, why in sorted(failed.items())]
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
        return None, [*problems, told]
    return chosen[0], problems


def _call(command: list[str]) -> int:
    with subprocess.Popen(command) as process:
        return _code(process)


def _passed_on(command: list[str]) -> int:
    """The exit code of ``command``, each line of whose output comes out as JSON as soon as it is there."""
    lock = Lock()

    def pass_on(name: str, lines: IO[str]) -> None:
        for line in lines:
            with lock:
                typer.echo(json.dumps({"stream": name, "text": line.rstrip("\n")}))

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        streams = (("stdout", process.stdout), ("stderr", process.stderr))
        threads = [Thread(target=pass_on, args=stream, daemon=True) for stream in streams]
        for thread in threads:
            thread.start()
        code = _code(process)
        for thread in threads:
            thread.join()
    return code


def _code(process: subprocess.Popen[Any]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _finish(code: int, *, as_json: bool, **about: Any) -> NoReturn:
    if as_json:
        status = "failed" if code else "done"
        typer.echo(json.dumps({"type": "run_finished", "status": status, "exit_code": code, **about}))
    end(code)
