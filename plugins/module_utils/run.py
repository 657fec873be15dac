# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run that a module works for: when to stop, and how to say how far it is.

Private to the collection. A controller that dies does not end the modules it started; so a module that can run
for long asks ``Run.check()`` at every point at which stopping is safe.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

CANCEL_MARKS = "/run/longshore/cancel"
PROGRESS = "/run/longshore/progress"
ARGUMENT_SPEC: dict[str, Any] = {
    "run": {
        "type": "dict",
        "default": {},
        "options": {
            "id": {"type": "str", "default": ""},
            "owner": {"type": "str", "default": ""},
            "reason": {"type": "str", "default": ""},
        },
    }
}


class Cancelled(Exception):
    """The run was cancelled, or its controller is gone; the message says which."""


class Run:
    """One run: ``id`` (a file name of letters, digits, ``.``, ``_`` and ``-``; empty outside of a run), ``owner``
    (who, for messages) and ``reason`` (why)."""

    def __init__(self, run_id: str = "", owner: str = "", reason: str = "") -> None:
        if not re.fullmatch(r"[\w.-]{0,64}", run_id):
            raise ValueError(f"the run id {run_id!r} must be at most 64 letters, digits, '.', '_' or '-'")
        self.id = run_id
        self.owner = owner
        self.reason = reason
        self._to_the_end = False

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Run:
        """From a module's parameters that include ``ARGUMENT_SPEC``."""
        given = parameters.get("run") or {}
        return cls(given.get("id") or "", given.get("owner") or "", given.get("reason") or "")

    def check(self) -> None:
        """Raise ``Cancelled`` when the run is to stop; cheap enough for every step of a loop."""
        if self._to_the_end:
            return
        if self.id and os.path.exists(os.path.join(CANCEL_MARKS, self.id)):
            raise Cancelled("cancelled by the operator")
        if _reader_is_gone(1):
            raise Cancelled("the controller has gone away")

    @contextlib.contextmanager
    def to_the_end(self) -> Iterator[None]:
        """A short stretch that stopping in the middle would leave wrong: the run stops only behind it."""
        self._to_the_end = True
        try:
            yield
        finally:
            self._to_the_end = False

    def progress(self, line: str) -> None:
        """Append one line to the run's progress file, which the controller shows live. Never fails the work."""
        if not self.id:
            return
        try:
            os.makedirs(PROGRESS, mode=0o700, exist_ok=True)
            descriptor = os.open(
                os.path.join(PROGRESS, f"{self.id}.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
            )
            with os.fdopen(descriptor, "a") as file:
                file.write(line.rstrip("\n") + "\n")
        except OSError:
            return

    def wait(self, seconds: float) -> None:
        """Sleep, waking at once to raise ``Cancelled`` when the run is to stop."""
        until = time.monotonic() + seconds
        while True:
            self.check()
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.25))


def _reader_is_gone(descriptor: int) -> bool:
    # A module's standard output is the SSH channel: sshd closes its end when the client dies, whoever killed it.
    poll = select.poll()
    try:
        poll.register(descriptor, 0)
        return any(event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _fd, event in poll.poll(0))
    except OSError:
        return True
