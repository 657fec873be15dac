# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The labs of a run, one per lane, and the Docker engine that it may have brought."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from parts import ROOT, Part

NAME = os.environ.get("LAB", "test")  # `lab` is the demo's
KEEP = os.environ.get("KEEP") == "1"


def command(*words: str) -> bool:
    """Whether a command of the lab went well."""
    program = [sys.executable, str(ROOT / "molecule/shared/lab"), *words]
    return subprocess.run(program, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode == 0


def engine_answers() -> bool:
    """Whether this machine has a Docker engine that runs."""
    return (
        shutil.which("docker") is not None
        and subprocess.run(["docker", "info"], check=False, capture_output=True).returncode == 0
    )


class Servers:
    """The lab of one lane: brought up when the first part needs it, blank again when a part asks for that."""

    def __init__(self, lane: str) -> None:
        self.name = f"{NAME}-{lane}" if lane else NAME
        self.touched = False

    def ready(self, part: Part) -> bool:
        """Bring up what ``part`` needs."""
        if not part.lab:
            return True
        if part.fresh or not self.touched:
            command("down", "--name", self.name)
        self.touched = True
        return command("up", "--name", self.name, "--servers", str(part.lab))

    def leave(self) -> bool:
        """Take the lab away. Whether that went well."""
        return KEEP or not self.touched or command("down", "--name", self.name)


class Engine:
    """The machine's engine: one that this run brought goes with it, with all images; another one keeps them."""

    def __init__(self) -> None:
        self.was_there = engine_answers()

    def leave(self) -> bool:
        """Stop it when it is this run's. Whether that went well."""
        return KEEP or self.was_there or not engine_answers() or command("down", "--purge")
