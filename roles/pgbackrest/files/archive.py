# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a PostgreSQL's log is whole where pgBackRest keeps it. Written by the role longshore.stack.pgbackrest."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Of one log file of 4 GB, in PostgreSQL's own size of 16 MB.
SEGMENTS = 256
# Seconds after which what was sent before is there too: several are sent at once.
SETTLED = 60.0
# A whole segment, not the piece of one that a former primary was writing.
WHOLE = re.compile(r"[0-9A-F]{24}-")
# Of each timeline, the directory of one log file.
DIRECTORY = re.compile(r"[0-9A-F]{16}")


def place(segment: str) -> int:
    """Where a segment lies in the log: the next one lies one further, also when its timeline is another one."""
    return int(segment[8:16], 16) * SEGMENTS + int(segment[16:24], 16)


def directories(names: Iterable[str], stop: str) -> list[str]:
    """Those of an archive's entries in which ``stop`` may lie, and what follows it."""
    return sorted(name for name in names if DIRECTORY.fullmatch(name) and name[8:] >= stop[8:16])


def missing(files: Mapping[str, float], stop: str, now: float) -> str:
    """The first segment from ``stop`` on that is missing although later ones came, without its timeline; or nothing.

    ``files``: name of a file of the archive → when it came, in seconds since 1970, as is ``now``.
    """
    came: dict[int, float] = {}
    for name, when in files.items():
        if WHOLE.match(name):
            at = place(name)
            came[at] = min(when, came.get(at, when))
    expected = place(stop)
    for at in sorted(at for at in came if at >= expected):
        if at != expected and min(when for later, when in came.items() if later >= at) < now - SETTLED:
            return f"{expected // SEGMENTS:08X}{expected % SEGMENTS:08X}"
        expected = at + 1
    return ""
