# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new primary sends its archive what the former one may not have sent.

Written by the role longshore.stack.postgresql.

    python3 postgresql-promoted BIN DATA EVENT ROLE INSTANCE

Patroni calls it as ``on_role_change`` (its manual, "YAML Configuration Settings"). PostgreSQL marks the log that a
replica receives as kept, since its primary keeps it; what a lost primary had not sent yet nobody would send. So the
whole segments of the former timelines that are still here are marked as to be sent: the archive takes those that it has
a second time. It refuses for ever one that it has with another content, and then takes nothing more. Such is the
segment in which a timeline ended: the former primary may have filled it otherwise, and a replica marks it as well.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path

SENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})\.done")
HISTORY = re.compile(r"[0-9A-F]{8}\.history")
# A line of a history file: a timeline, and where it ended.
ENDED = re.compile(r"(\d+)\s+([0-9A-F]+)/([0-9A-F]+)\s")
SEGMENT = 16 << 20  # bytes, PostgreSQL's own size
# Seconds until a promoted server has written its history, and between two looks.
PROMOTING, AGAIN = 120.0, 0.5


def ends(wal: Path) -> dict[int, int]:
    """Timeline → the number of the segment in which it ended, of those that led to the newest one."""
    newest = max((path for path in wal.iterdir() if HISTORY.fullmatch(path.name)), default=None)
    lines = newest.read_text("utf-8").splitlines() if newest is not None else []
    found = [match for line in lines if (match := ENDED.match(line)) is not None]
    return {
        int(line, 10): ((int(high, 16) << 32) + int(low, 16)) // SEGMENT
        for line, high, low in (m.groups() for m in found)
    }


def send_again(data: Path) -> list[str]:
    """Have all whole segments of the former timelines sent; gives their names."""
    wal, marked = data / "pg_wal", []
    ended = ends(wal)
    for path in sorted((wal / "archive_status").iterdir()):
        match = SENT.fullmatch(path.name)
        if match is None:
            continue
        timeline, file, part = (int(each, 16) for each in match.groups())
        if file * (1 << 32) // SEGMENT + part < ended.get(timeline, 0):
            with contextlib.suppress(FileNotFoundError):  # a checkpoint was quicker, and the segment is gone too
                path.rename(path.with_suffix(".ready"))
                marked.append(path.stem)
    return marked


def promoted(programs: str, data: str) -> bool:
    """Whether its history is written."""
    done = subprocess.run(
        [f"{programs}/pg_controldata", "-D", data], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
    )
    return re.search(r"^Database cluster state: +in production$", done.stdout, re.MULTILINE) is not None


def main(programs: str, data: str, _event: str, role: str, _instance: str) -> None:
    """What Patroni calls; before 4.0 it called the primary master."""
    if role not in ("primary", "master"):
        return
    until = time.monotonic() + PROMOTING
    while not promoted(programs, data):
        if time.monotonic() > until:
            return
        time.sleep(AGAIN)
    send_again(Path(data))


if __name__ == "__main__":
    main(*sys.argv[1:])
