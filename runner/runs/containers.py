# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a service's containers on the servers, straight over SSH."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

# All servers are asked at once; ssh gives up on a dead one after ten seconds.
_TIMEOUT = 30.0
_FORMAT = '{{.ID}} {{.Label "com.docker.swarm.task.name"}} {{.Status}}'


@dataclass(frozen=True, order=True)
class Container:
    """A running container of a service. Healthy ones sort first, then by ``slot`` (0 where each server has one)."""

    unhealthy: bool
    slot: int
    server: str
    id: str


def listing(service: str) -> list[str]:
    """The command that lists the running containers of a Swarm service on one server."""
    label = f"label=com.docker.swarm.service.name={service}"
    return ["docker", "ps", "--no-trunc", "--filter", label, "--filter", "status=running", "--format", _FORMAT]


def parse(server: str, output: str) -> list[Container]:
    """The containers in that command's output."""
    found = []
    for line in output.splitlines():
        identifier, _, rest = line.partition(" ")
        task, _, status = rest.partition(" ")
        slot = [*task.split("."), "", ""][1]
        unhealthy = "(unhealthy)" in status or "starting)" in status
        found.append(Container(unhealthy, int(slot) if slot.isdigit() else 0, server, identifier))
    return found


def find(commands: Mapping[str, Sequence[str]]) -> tuple[list[Container], dict[str, str]]:
    """The containers on all servers (by server, the command that lists them), and why servers gave no answer."""
    containers: list[Container] = []
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(commands))) as pool:
        for server, (output, error) in zip(commands, pool.map(_ask, commands.values()), strict=True):
            if error:
                failed[server] = error
            else:
                containers += parse(server, output)
    return sorted(containers), failed


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
