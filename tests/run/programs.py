# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the programs of a part are run: their output shown line by line, and ended, with all they started, in time."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from parts import ROOT, Part

BIN = Path(sys.executable).parent
HUNG = 4  # a part that takes so many times its minutes is ended
TAIL = 60  # so many lines of what failed are told again at the end
# What says the cause, far above the end when programs recap what they did: pytest's lines and Ansible's.
TELLING = re.compile(r"^(?:\W*│)*\s*(?:E {3}|> {3}|FAILED |ERROR |\S+\.py:\d+: |fatal: |\[ERROR\])")
TOLD = 40  # so many of these are told again
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
KINDLY = 30.0  # seconds between the two ways to end a program
RUNNING: set[subprocess.Popen[str]] = set()
STOPPED = threading.Event()


def perform(part: Part, lab: str, prefix: str) -> list[str]:
    """What of ``part`` failed, told by the end of its output; that doesn't keep the rest from running."""
    limit = time.monotonic() + part.minutes * 60 * HUNG
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
        "PYTHONUNBUFFERED": "1",
        "LAB": lab,
    }
    failed = []
    for words in part.commands:
        program = Program([str(BIN / words[0]), *words[1:]], environment, part.nice, prefix)
        if not program.succeeds(limit):
            failed.append(f"{' '.join(words)}\n{program.end_of_output}")
    for scenario in part.scenarios:
        began = time.monotonic()
        program = Program([str(BIN / "molecule"), "test", "-s", scenario], environment, part.nice, None)
        word = "ok" if program.succeeds(limit) else "FAILED"
        print(f"{prefix}{word:<7}molecule {scenario:<20}{time.monotonic() - began:6.1f} s", flush=True)
        if word != "ok":
            failed.append(f"molecule {scenario}\n{program.end_of_output}")
    return failed


class Program:
    """One program, in a session of its own."""

    def __init__(self, words: Sequence[str], environment: dict[str, str], nice: int, prefix: str | None) -> None:
        """``prefix`` goes before each line of its output; None: none is shown."""
        self.words = ["nice", "-n", str(nice), *words] if nice else list(words)
        self.environment = environment
        self.prefix = prefix
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.telling: deque[str] = deque(maxlen=TOLD)

    @property
    def end_of_output(self) -> str:
        """The lines that say why it failed, and its last ones."""
        return "\n".join((*self.telling, "[…]", *self.tail) if self.telling else self.tail)

    def succeeds(self, limit: float) -> bool:
        """Whether it exits 0 before the clock shows ``limit``."""
        if STOPPED.is_set():
            self.tail.append("not started")
            return False
        process = subprocess.Popen(
            self.words,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        RUNNING.add(process)
        hung = threading.Timer(max(limit - time.monotonic(), 1), self.hung, [process])
        hung.start()
        try:
            self.show(process)
            return process.wait() == 0
        finally:
            hung.cancel()
            RUNNING.discard(process)

    def show(self, process: subprocess.Popen[str]) -> None:
        """Take its output to the end."""
        for line in process.stdout or ():
            self.tail.append(line.rstrip())
            if TELLING.match(ESCAPES.sub("", line)):
                self.telling.append(line.rstrip())
            if self.prefix is not None:
                print(f"{self.prefix}{line.rstrip()}", flush=True)

    def hung(self, process: subprocess.Popen[str]) -> None:
        """It takes too long."""
        self.tail.append("ended: it hung")
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """End a program and its session, kindly first."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=KINDLY)


def end_all() -> None:
    """End all that run, and let none start."""
    STOPPED.set()
    for process in list(RUNNING):
        end(process)
