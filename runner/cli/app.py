# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that change something, and how all commands hang together."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer
from longshore import __version__
from longshore.cli import backups, bans, configs, databases, files, firewall, inside, lab, logs, look
from longshore.cli.ending import end
from longshore.cli.guarding import refusing
from longshore.cli.options import Common, Environment, File, Source, remember, shared

app = typer.Typer(
    name="longshore",
    help="One stack file becomes a running, protected stack on your own servers.",
    no_args_is_help=True,
    rich_markup_mode=None,
    # Its tracebacks show local variables, and those may be secrets.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Exit codes: 0 done, 1 failed, 2 the plan has changes, 3 bad input, 4 done but a server was not reached, "
    "5 locked by another run, 130 cancelled.",
)
server = typer.Typer(help="Add, drain, activate or remove a server.", no_args_is_help=True, rich_markup_mode=None)

Services = Annotated[list[str] | None, typer.Argument(metavar="SERVICE...", help="Default: all of them.")]
SomeServices = Annotated[list[str], typer.Argument(metavar="SERVICE...")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name in the stack file.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"longshore {__version__}")
        end(0)


@app.callback()
def top(
    file: File = None,
    environment: Environment = None,
    version: Annotated[  # noqa: ARG001 - its callback has done the work
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version.")
    ] = False,
) -> None:
    """One stack file becomes a running, protected stack on your own servers."""
    remember(Source(file=file, environment=environment))


@app.command()
@shared
@refusing
def up(
    options: Common,
    yes_cluster_wide: Annotated[
        bool,
        typer.Option("--yes-cluster-wide", help="Also what other stacks of the servers have said otherwise."),
    ] = False,
) -> None:
    """Make everything as the stack file says.

    Servers, images, services, routes. A second run changes nothing.
    """
    stack = options.load()
    look.run(options, stack, stack.jobs.up(cluster_wide=yes_cluster_wide))


@app.command()
@shared
@refusing
def plan(options: Common) -> None:
    """Show what `up` would change, and touch nothing.

    Field by field. Exit code 2 when there are changes.
    """
    stack = options.load()
    look.plan(options, stack, stack.jobs.plan())


@app.command()
@shared
@refusing
def deploy(options: Common, services: Services = None) -> None:
    """Build, pull and roll out services; servers are left alone."""
    stack = options.load()
    look.run(options, stack, stack.jobs.deploy(stack.services(services or [])))


@app.command()
@shared
@refusing
def build(options: Common, services: Services = None) -> None:
    """Build images and push them to the stack's registry."""
    stack = options.load()
    look.run(options, stack, stack.jobs.build(stack.services(services or [])))


@app.command()
@shared
@refusing
def scale(
    options: Common,
    replicas: Annotated[list[str], typer.Argument(metavar="SERVICE=N...", help="web=5, or relative: web=+2, web=-1.")],
) -> None:
    """Change how many tasks services have. The next `up` keeps the number."""
    stack = options.load()
    pairs: dict[str, str | int] = {}
    for word in replicas:
        service, _, number = word.partition("=")
        pairs[service] = number
    look.run(options, stack, stack.jobs.scale(stack.replicas(pairs)))


@app.command()
@shared
@refusing
def restart(options: Common, services: SomeServices) -> None:
    """Give services new tasks, by their update rules."""
    stack = options.load()
    look.run(options, stack, stack.jobs.restart(stack.services(services)))


@app.command()
@shared
@refusing
def stop(options: Common, services: SomeServices) -> None:
    """Stop services, until `start`."""
    stack = options.load()
    look.run(options, stack, stack.jobs.stop(stack.services(services)))


@app.command()
@shared
@refusing
def start(options: Common, services: SomeServices) -> None:
    """Start services that were stopped."""
    stack = options.load()
    look.run(options, stack, stack.jobs.start(stack.services(services)))


@app.command()
@shared
@refusing
def rollback(
    options: Common,
    release: Annotated[int | None, typer.Argument(metavar="N", min=1, help="Default: the release before.")] = None,
) -> None:
    """Go back to an earlier release.

    The whole release: images, environment, secrets and configs.
    """
    stack = options.load()
    look.run(options, stack, stack.jobs.rollback(release))


@app.command()
@shared
@refusing
def maintenance(
    options: Common, state: Annotated[Literal["on", "off"], typer.Argument(metavar="on|off", show_choices=False)]
) -> None:
    """Close the stack's routes with a page, or open them again.

    Visitors get 503 with the page `load_balancer.pages.maintenance`, except those of
    `load_balancer.maintenance.allow`. Nothing is reloaded; it lasts until `off`, over deploys and restarts.
    """
    stack = options.load()
    look.run(options, stack, stack.jobs.maintenance(closed=state == "on"))


@app.command()
@shared
@refusing
def destroy(
    options: Common,
    yes_destroy: Annotated[
        str | None,
        typer.Option("--yes-destroy", metavar="NAME", help="The stack's name; then nothing is asked."),
    ] = None,
    cluster: Annotated[bool, typer.Option("--cluster", help="The cluster too; this must be its only stack.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Show what would go, and touch nothing.")] = False,
) -> None:
    """Remove the stack; what its volumes hold stays. Asks for the stack's name.

    With `--cluster` also load balancers, registry, Swarm, keys and all else but data and the Docker engines.
    `--check` exits with 2 when there is something to remove.
    """
    from longshore.stack import BadInput  # noqa: PLC0415 - as in options

    stack = options.load()
    if check:
        command = "longshore destroy --cluster" if cluster else "longshore destroy"
        look.plan(options, stack, stack.jobs.destroy(stack.name, cluster=cluster, check=True), command)
    what = "this stack and its whole cluster" if cluster else "this stack"
    name = yes_destroy or _asked(f"This removes {what}. Its name, to go on: ", options)
    if name != stack.name:
        raise BadInput(f"{name!r} is not the name of this stack; nothing was touched")
    look.run(options, stack, stack.jobs.destroy(name, cluster=cluster))


def _asked(question: str, options: Common) -> str:
    from longshore.stack import BadInput  # noqa: PLC0415 - as in options

    if options.as_json:
        raise BadInput("--json asks nothing: give the stack's name with --yes-destroy NAME; nothing was touched")
    # Not typer's prompt: it takes Ctrl-C and the end of input for the same.
    typer.echo(question, nl=False, err=True)
    return sys.stdin.readline().strip()


@server.command("add")
@shared
@refusing
def server_add(options: Common, name: Name) -> None:
    """Take in a server that was written into the stack file.

    The same as `up`, which takes in all of them.
    """
    stack = options.load()
    stack.server(name)
    look.run(options, stack, stack.jobs.up())


@server.command("drain")
@shared
@refusing
def server_drain(options: Common, name: Name) -> None:
    """Move a server's tasks to the others, until `server activate`."""
    stack = options.load()
    look.run(options, stack, stack.jobs.server_drain(stack.server(name)))


@server.command("activate")
@shared
@refusing
def server_activate(options: Common, name: Name) -> None:
    """Let tasks come to a drained server again.

    Those that run elsewhere stay there; new ones use it.
    """
    stack = options.load()
    look.run(options, stack, stack.jobs.server_activate(stack.server(name)))


@server.command("remove")
@shared
@refusing
def server_remove(
    options: Common,
    name: Name,
    yes_remove: Annotated[
        bool,
        typer.Option("--yes-remove", help="Although volumes hold data there, or another stack uses it."),
    ] = False,
) -> None:
    """Take a server out of the cluster; then delete it from the stack file.

    Refused while a local volume is on it or another stack uses it. What its disks hold stays.
    """
    stack = options.load()
    look.run(options, stack, stack.jobs.server_remove(stack.server(name), anyway=yes_remove))


app.add_typer(look.app)
app.add_typer(logs.app)
app.add_typer(inside.app)
app.add_typer(server, name="server")
app.add_typer(databases.app, name="db")
app.add_typer(backups.app, name="backup")
app.add_typer(bans.app, name="bans")
app.add_typer(configs.app, name="config")
app.add_typer(firewall.app, name="firewall")
app.add_typer(files.app)
app.add_typer(lab.app)
