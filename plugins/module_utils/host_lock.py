# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time changes a server.

Private to the collection. The kernel gives the lock back when its holder ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from .host_change import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .run import Run

LOCK = "/run/longshore/host.lock"
# Installing an engine over a slow line takes minutes. Seconds.
TIMEOUT = 600.0


@contextlib.contextmanager
def held(concern: str, work: Run, path: str = LOCK, timeout: float = TIMEOUT) -> Iterator[None]:
    """Hold the server's lock for the run ``work``, after waiting for whoever has it.

    Raises ``HostError`` that names the holder after ``timeout`` seconds, ``Cancelled`` when ``work`` is to stop.
    """
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + timeout
        while not _taken(descriptor):
            if time.monotonic() >= until:
                raise HostError(
                    f"another run is at work on this server: {_holder(descriptor)}. It was waited for {timeout:.0f} s; "
                    "run again when it has ended"
                )
            work.wait(0.2)
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"the step {concern}, process {os.getpid()}, since {since}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 400, 0).decode(errors="replace") or "a process that has just begun"
