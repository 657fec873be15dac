# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a service's containers on the servers, straight over SSH."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

# All servers are asked at once; ssh gives up on a dead one after ten seconds.
_TIMEOUT = 30.0
# A line for each container, and on a manager one for each task that is to run: a container that runs
# may be on its way out, for as long as its grace period lasts.
_FORMAT = 'container {{.ID}} {{.Label "com.docker.swarm.task.id"}} {{.Label "com.docker.swarm.task.name"}} {{.Status}}'
_TASKS = "docker service ps --quiet --no-trunc --filter desired-state=running"


@dataclass(frozen=True, order=True)
class Container:
    """A running container of a service. Healthy ones sort first, then by ``slot`` (0 where each server has one)."""

    unhealthy: bool
    slot: int
    server: str
    id: str
    task: str


def listing(service: str) -> list[str]:
    """The command that lists the running containers of a Swarm service on one server, and on a manager its tasks."""
    label = f"label=com.docker.swarm.service.name={service}"
    ps = ["docker", "ps", "--no-trunc", "--filter", label, "--filter", "status=running", "--format", _FORMAT]
    tasks = f"{_TASKS} {shlex.quote(service)} 2>/dev/null | sed 's/^/task /'"
    return ["sh", "-c", f"{shlex.join(ps)} && {tasks}"]


def parse(server: str, output: str) -> list[Container]:
    """The containers in that command's output."""
    found = []
    for line in output.splitlines():
        if not line.startswith("container "):
            continue
        _, identifier, task, name, status = line.split(" ", 4)
        slot = [*name.split("."), "", ""][1]
        unhealthy = "(unhealthy)" in status or "starting)" in status
        found.append(Container(unhealthy, int(slot) if slot.isdigit() else 0, server, identifier, task))
    return found


def find(commands: Mapping[str, Sequence[str]]) -> tuple[list[Container], dict[str, str]]:
    """The containers on all servers (by server, the command that lists them), and why servers gave no answer. Those on
    their way out are left out, if a manager answered."""
    containers: list[Container] = []
    wanted: set[str] = set()
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(commands))) as pool:
        for server, (output, error) in zip(commands, pool.map(_ask, commands.values()), strict=True):
            if error:
                failed[server] = error
            else:
                containers += parse(server, output)
                wanted |= {line.removeprefix("task ") for line in output.splitlines() if line.startswith("task ")}
    return sorted(one for one in containers if one.task in wanted or not wanted), failed


def _ask(command: Sequence[str]) -> tuple[str, str]:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {_TIMEOUT:.0f} s"
    if done.returncode:
        return "", (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return done.stdout, ""
