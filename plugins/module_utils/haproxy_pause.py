# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks that are under maintenance on a host: the file that says so, and the running HAProxy.

Private to the collection. The file is what a new worker reads, so that a reload and a restart
keep what was said; the worker that runs is told over its socket, without a reload.
"""

from __future__ import annotations

import os

from . import haproxy_files as files
from . import haproxy_process as process
from .haproxy_model import HaproxyError
from .haproxy_pages import MAINTENANCE_MAP
from .haproxy_unit import USER_ID


def names_in(text: str) -> list[str]:
    """The stacks that the map's text names."""
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def text_of(names: list[str]) -> str:
    """The map's text for these stacks."""
    return "".join(f"{name} 1\n" for name in sorted(set(names)))


def pause(stack: str, paused: bool, check: bool) -> list[str]:
    """Put ``stack`` under maintenance, or take it out; what was done (in ``check`` mode: would be), in words.

    Raises ``HaproxyError`` when the stack has no routes here, or the running HAProxy does not do as it is told.
    """
    with files.lock(check):
        if not os.path.exists(files.fragment_path(stack)):
            if not paused:
                return []
            raise HaproxyError([f"the stack {stack} has no routes on this server: there is nothing to close"])
        names = names_in(files.read(MAINTENANCE_MAP) or "")
        wanted = text_of([*names, stack] if paused else [name for name in names if name != stack])
        file = files.Wanted(MAINTENANCE_MAP, wanted, 0o640, USER_ID)
        running = process.map_keys(MAINTENANCE_MAP)
        told = running is not None and (stack in running) != paused
        changed = file.differs() or told
        if changed and not check:
            file.write()
        if told and not check:
            process.change_map(MAINTENANCE_MAP, stack, "1" if paused else None)
        return [f"{'close' if paused else 'open'} {stack}"] if changed else []
