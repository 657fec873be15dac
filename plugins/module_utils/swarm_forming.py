# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mark on a server that is in no Swarm yet: one run is about to bring it into one, and others wait for the outcome.

Private to the collection. Without a Swarm there is no other lock that all its servers share; with the marks two runs,
each with a first manager of its own, don't make two Swarms of the same servers.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time

from .swarm_plan import SwarmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .run import Run

# Gone after a restart of the server, as are those who wrote it.
PATH = "/run/longshore/forming"
# From the look at a server until it has joined: some seconds. What a killed run has left is waited out.
LIFE = 90.0


def claim(run: Run, path: str = PATH) -> None:
    """Mark the server for a run, after another run's mark is gone or has ended; then look at the server anew."""
    while True:
        with _mark(path) as mark:
            if not _holds_other(mark, run):
                mark.clear()
                mark.update(run=run.id, owner=run.owner, until=time.monotonic() + LIFE)
                return
        run.wait(0.5)


def confirm(run: Run, path: str = PATH) -> None:
    """Raise ``SwarmError`` unless the server is still marked for the run."""
    with _mark(path) as mark:
        if mark.get("run") == run.id and time.monotonic() < mark["until"]:
            return
        who = f"the run {mark['run']} of {mark['owner'] or 'somebody'}" if _holds_other(mark, run) else "another run"
    raise SwarmError(f"{who} may be forming a Swarm with this server meanwhile; nothing was done here: run again")


def release(run: Run, path: str = PATH) -> None:
    """Take the run's mark away: what the engine says of itself counts now."""
    with _mark(path) as mark:
        if mark.get("run") == run.id:
            mark.clear()


def _holds_other(mark: dict[str, Any], run: Run) -> bool:
    return bool(mark) and mark["run"] != run.id and time.monotonic() < mark["until"]


@contextlib.contextmanager
def _mark(path: str) -> Iterator[dict[str, Any]]:
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        mark: dict[str, Any] = json.loads(text) if text else {}
        yield mark
        after = json.dumps(mark) if mark else ""
        if after != text:
            file.truncate(0)
            file.write(after)
