# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pieces of work at once, of which all end when the run is cancelled.

Private to the collection.
"""

from __future__ import annotations

import queue
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .run import Run


_NAME = "longshore image"


def each(
    items: Sequence[str], work: Callable[[str], Any], run: Run, limit: int, fail_fast: bool = False
) -> tuple[dict[str, Any], dict[str, Exception]]:
    """Do ``work`` for every item, at most ``limit`` at once. Gives the results and the errors, by item.

    With ``fail_fast`` the call ends at the first error. Then, and after a cancelled run (``Cancelled`` is raised), the
    threads are left behind: the caller ends what they work with, and may ``settle``.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, Any, Exception | None]] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)
    for _thread in range(min(limit, len(items))):
        threading.Thread(name=_NAME, target=_loop, args=(waiting, work, done), daemon=True).start()
    results: dict[str, Any] = {}
    errors: dict[str, Exception] = {}
    while len(results) + len(errors) < len(items):
        run.check()
        try:
            item, result, error = done.get(timeout=0.2)
        except queue.Empty:
            continue
        if error is None:
            results[item] = result
            continue
        errors[item] = error
        if fail_fast:
            break
    return results, errors


def settle(seconds: float) -> None:
    """Let what was left behind tidy up, ``seconds`` at most."""
    until = time.monotonic() + seconds
    for thread in threading.enumerate():
        if thread.name == _NAME:
            thread.join(timeout=max(0.0, until - time.monotonic()))


def _loop(
    waiting: queue.SimpleQueue[str],
    work: Callable[[str], Any],
    done: queue.SimpleQueue[tuple[str, Any, Exception | None]],
) -> None:
    while True:
        try:
            item = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            done.put((item, work(item), None))
        except Exception as error:
            done.put((item, None, error))
