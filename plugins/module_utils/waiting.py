# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for what a server does by itself. Private to the collection."""

from __future__ import annotations

import time

from .host_change import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .run import Run


def until(reached: Callable[[], bool], seconds: float, work: Run) -> None:
    """Wait for a condition. Raises ``HostError`` after so many seconds."""
    limit = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > limit:
            raise HostError(f"it took longer than {seconds:.0f} s")
        work.wait(0.2)
