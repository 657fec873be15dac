# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time takes engines down or changes who manages the Swarm, whichever stack it is about.

Private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import time

from . import lease as locks
from .docker_api import Docker, DockerError
from .run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# No stack's name has an underscore.
NAME = "longshore_cluster"


@contextlib.contextmanager
def held(docker: Docker, run: Run, wait: float, keep: bool = False) -> Iterator[locks.Lease]:
    """Hold the cluster's lock, whose ``check()`` is for each write.

    With ``keep`` a later step of the same run has it until it gives it back.

    A holder that lives is waited for up to ``wait`` seconds. Raises ``lease.Locked``, which names it. Outside of a run
    nothing is kept, since nobody could tell the next step from another run.
    """
    keep = keep and bool(run.id)
    if not run.id:
        run = Run(f"adhoc-{os.getpid()}-{time.time_ns()}", run.owner or "ansible", run.reason)
    lease = locks.Lease(docker, NAME, run)
    lease.take(wait)
    try:
        yield lease
    except BaseException:
        _give_back(docker, lease, run)
        raise
    if keep:
        lease.leave()
    else:
        _give_back(docker, lease, run)


def _give_back(docker: Docker, lease: locks.Lease, run: Run) -> None:
    lease.release()
    try:
        # What an earlier step has kept, the lease leaves to that step.
        lock = locks.read(docker, NAME)
        holder = locks.holder(lock)
        if lock is not None and holder is not None and holder["run"] == run.id:
            docker.delete(f"/configs/{lock['ID']}")
    except DockerError:
        # It ends by itself.
        return
