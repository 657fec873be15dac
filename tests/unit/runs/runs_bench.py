# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory with an inventory of servers that are this machine, and a state directory of the test's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from longshore.runs import Job, Run, start


class Bench:
    """Writes playbooks and starts them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.inventory = directory / "hosts.yml"
        self.runs: list[Run] = []
        self.hosts(a={}, b={})

    def hosts(self, **hosts: dict[str, Any]) -> None:
        """Servers with these variables, reached without SSH unless they say otherwise."""
        local = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
        known = {name: local | own for name, own in hosts.items()}
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": known}}))

    def playbook(self, *tasks: dict[str, Any], name: str = "play.yml", hosts: str = "all", **play: Any) -> Path:
        """A playbook of one play."""
        path = self.directory / name
        path.write_text(
            yaml.safe_dump([{"name": "Play", "hosts": hosts, "gather_facts": False, "tasks": list(tasks), **play}])
        )
        return path

    def start(self, playbook: Path, **options: Any) -> Run:
        """Start it; whatever the test leaves behind is ended after it."""
        run = start(Job(playbook=str(playbook), stack_file=self.inventory, **{"cancel_playbook": None, **options}))
        self.runs.append(run)
        return run


def command(script: str, name: str = "Work") -> dict[str, Any]:
    """A task that runs a shell script."""
    return {"name": name, "ansible.builtin.shell": {"cmd": script, "executable": "/bin/bash"}}


def until(condition: Callable[[], object], seconds: float = 90.0) -> None:
    """Wait until ``condition()`` is true; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def pids(path: Path) -> list[int]:
    """The process ids that scripts have noted in a file."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []
