# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that can run for long: their lines as they come, a deadline, and an end of the whole family at once.

Private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# Seconds between asking processes to end and ending them.
GRACE = 5.0


class Stopped(Exception):
    """The program was ended because everything is to stop."""


class Overdue(Exception):
    """The program was ended because its deadline had passed."""


class Processes:
    """The programs of one module, so that one call ends them all. ``hidden``: texts replaced in every line."""

    def __init__(self, hidden: Iterable[str] = ()) -> None:
        self._hidden = sorted({text for text in hidden if text}, key=len, reverse=True)
        self._sessions: set[int] = set()
        self._lock = threading.Lock()
        self.stopped = threading.Event()

    def run(
        self,
        argv: Sequence[str],
        on_line: Callable[[str], None],
        *,
        environment: Mapping[str, str],
        until: float,
        directory: str | None = None,
    ) -> int:
        """Run a program to its end; gives its exit code.

        ``on_line`` gets each line of its output and its errors; ``environment`` is added to the module's own; ``until``
        is a time of ``time.monotonic()``. Raises ``Overdue`` and ``Stopped``, and ``OSError`` when it cannot be run.
        """
        overdue = threading.Event()
        with self._lock:
            if self.stopped.is_set():
                raise Stopped
            # run_command gives no lines while the program runs, and ends no family.
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C", **environment},
                cwd=directory,
                start_new_session=True,
            )
            self._sessions.add(process.pid)

        def end() -> None:
            overdue.set()
            end_sessions({process.pid})

        timer = threading.Timer(max(0.0, until - time.monotonic()), end)
        timer.daemon = True
        timer.start()
        try:
            for line in process.stdout or ():
                on_line(self.hide(line.decode(errors="replace").rstrip("\r\n")))
            code = process.wait()
        finally:
            timer.cancel()
            end_sessions({process.pid})
            process.wait()
            with self._lock:
                self._sessions.discard(process.pid)
        if self.stopped.is_set():
            raise Stopped
        if overdue.is_set():
            raise Overdue
        return code

    def run_for_output(
        self, argv: Sequence[str], *, environment: Mapping[str, str], until: float, directory: str | None = None
    ) -> tuple[int, str]:
        """Exit code and output of a program."""
        lines: list[str] = []
        code = self.run(argv, lines.append, environment=environment, until=until, directory=directory)
        return code, "\n".join(lines)

    def hide(self, line: str) -> str:
        """The line without secrets."""
        for text in self._hidden:
            line = line.replace(text, "***")
        return line

    def stop(self) -> None:
        """End every program that runs, and let none begin."""
        self.stopped.set()
        with self._lock:
            sessions = set(self._sessions)
        end_sessions(sessions)


def end_sessions(sessions: set[int]) -> None:
    """End all processes of these sessions: ask, wait ``GRACE`` seconds at most, then force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        members = _members(sessions)
        for member in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, number)
        until = time.monotonic() + GRACE
        while members and time.monotonic() < until:
            time.sleep(0.02)
            members = _members(sessions)
        if not members:
            return


def _members(sessions: set[int]) -> list[int]:
    # A program may move its children to process groups of their own, as Docker's client does; the session stays.
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    state, _parent, _group, session = file.read().rsplit(")", 1)[1].split()[:4]
            except (OSError, ValueError):
                continue
            if int(session) in sessions and state != "Z":
                found.append(int(entry))
    return found
