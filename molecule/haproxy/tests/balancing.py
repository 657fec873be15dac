# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenario's tests share: the lab, the scenario's plays, and waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCENARIO = Path(__file__).resolve().parents[1]
ROOT = SCENARIO.parents[1]
LAB = os.environ.get("LAB", "lab")
CONFIG = "/etc/longshore/haproxy/haproxy.cfg"


def lab(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "molecule/shared/lab"), *words], check=True, capture_output=True, text=True
    )
    return done.stdout


def converge(*options: str, play: str = "converge.yml", **variables: Any) -> dict[str, Any]:
    """Run a play of the scenario; gives the result of the last task that did something."""
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i", str(ROOT / "molecule/inventory/lab.py"), str(SCENARIO / play),
        "-e", json.dumps(variables), *options,
    ]  # fmt: skip
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "LAB": LAB}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / ".ansible/collections")
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    plays = json.loads(done.stdout[done.stdout.index("{") :])["plays"]
    # Ansible's own `meta` has no result.
    results: list[dict[str, Any]] = [task["hosts"].get("app1", {"skipped": True}) for task in plays[-1]["tasks"]]
    return next(result for result in reversed(results) if not result.get("skipped"))


def seen(path: str) -> int:
    """How often the two servers were asked for a path."""
    return sum(
        lab("ssh", "--name", LAB, host, "--", "cat", "/root/molecule-site.log").count(f" {path}\n")
        for host in ("app2", "app3")
    )


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
