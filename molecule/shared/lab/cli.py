# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence

from . import engine, life, servers, ssh, state
from .report import LabError, say, step


def parser() -> argparse.ArgumentParser:
    """Describe the commands."""
    top = argparse.ArgumentParser(prog="lab", description="Servers to try Longshore on, as containers on this machine.")
    commands = top.add_subparsers(dest="command", required=True)
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default="lab", help="which lab (default: lab)")
    up = commands.add_parser("up", parents=[named], help="make the lab, or what is missing of it")
    up.add_argument("--servers", type=int, default=None, help="how many servers there shall be at least (default: 3)")
    up.add_argument("--json", action="store_true", help="describe the lab as JSON")
    up.add_argument("--no-mirror", action="store_true", help="don't fill the image mirror")
    down = commands.add_parser("down", parents=[named], help="remove the lab whole")
    down.add_argument("--all", action="store_true", help="every lab of this checkout")
    down.add_argument("--purge", action="store_true", help="all labs, images, mirror, and the engine the lab started")
    shell = commands.add_parser("ssh", parents=[named], help="log in to a host, or run a command on it")
    shell.add_argument("host", help="app1 …, client or git")
    shell.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run instead of a shell")
    status = commands.add_parser("status", parents=[named], help="names, addresses, what runs")
    status.add_argument("--json", action="store_true", help="as JSON")
    for verb, text in (("kill", "take a server's power away"), ("start", "give a server its power back")):
        commands.add_parser(verb, parents=[named], help=text).add_argument("server")
    commands.add_parser("images", help="fill the image mirror")
    git = commands.add_parser("git", help="the lab's Git server").add_subparsers(dest="verb", required=True)
    push = git.add_parser("push", parents=[named], help="make or update a repository from a directory")
    push.add_argument("directory")
    push.add_argument("repository")
    push.add_argument("--private", action="store_true", help="readable with SSH key or password only")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    wanted = parser().parse_args(arguments)
    try:
        return perform(wanted)
    except LabError as error:
        say(f"lab: {error}")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode


def perform(wanted: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    if wanted.command == "up":
        with step("lab up"):
            lab = life.up(wanted.name, wanted.servers, fill=not wanted.no_mirror)
        show(lab, as_json=wanted.json)
    elif wanted.command == "down":
        life.down(wanted.name, everything=wanted.all or wanted.purge, purge=wanted.purge)
    elif wanted.command == "images":
        life.images()
    elif wanted.command == "ssh":
        words = wanted.words[1:] if wanted.words[:1] == ["--"] else wanted.words
        command = ssh.command(known(wanted.name), wanted.host, words)
        sys.stdout.flush()
        os.execvp(command[0], command)  # noqa: S606 - that is what the command is for
    elif wanted.command == "status":
        show(existing(wanted.name), as_json=wanted.json)
    elif wanted.command == "git":
        life.push(existing(wanted.name), wanted.directory, wanted.repository, private=wanted.private)
    else:
        {"kill": servers.kill, "start": servers.start}[wanted.command](existing(wanted.name), wanted.server)
    return 0


def known(name: str) -> state.Lab:
    """Give a lab that was made, whether or not its engine answers now."""
    lab = state.load(name)
    if not lab:
        raise LabError(f"there is no lab {name}: `lab up --name {name}` makes it")
    return lab


def existing(name: str) -> state.Lab:
    """Give a lab that is there."""
    lab = known(name)
    if not engine.answers():
        raise LabError("no Docker engine answers: `lab up` starts one")
    return lab


def show(lab: state.Lab, *, as_json: bool) -> None:
    """Write what the lab consists of."""
    described = life.describe(lab)
    if as_json:
        sys.stdout.write(json.dumps(described, indent=2) + "\n")
        return
    for name, host in described["hosts"].items():
        known = [host[kind] for kind in ("public", "private") if host[kind]]
        places = "  ".join(f"{at['v4']:<15} {at['v6']:<12}" for at in known)
        sys.stdout.write(f"{name:<7} {'up  ' if host['running'] else 'DOWN'}  {places}\n")
    sys.stdout.write(f"key {described['key']}  known hosts {described['known_hosts']}\n")
