# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL sends its archive once it has become primary."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "roles/postgresql/files/promoted.py"
# The second timeline ended in segment 5 of file 1, the first at the very beginning of segment 3 of file 0.
HISTORY = "1\t0/3000000\tno recovery target specified\n\n2\t1/5000148\tno recovery target specified\n"
WHOLE = ("000000010000000000000002", "000000020000000000000003", "000000020000000100000004")
# The one in which it ended, those after it, that of the new timeline, and one of a timeline that led nowhere.
OTHERS = (
    "000000010000000000000003.done",
    "000000020000000100000005.done",
    "000000020000000100000006.done",
    "000000040000000100000005.done",
    "000000030000000100000004.done",
    "00000004.history.done",
    "000000020000000100000005.partial.done",
    "000000040000000100000006.ready",
)


@pytest.mark.parametrize(("role", "ending"), [("primary", "ready"), ("master", "ready"), ("replica", "done")])
def test_whole_segments_are_sent_by_who_has_become_primary(tmp_path: Path, role: str, ending: str) -> None:
    status = tmp_path / "data/pg_wal/archive_status"
    status.mkdir(parents=True)
    for name in (*OTHERS, *(f"{name}.done" for name in WHOLE)):
        (status / name).touch()
    (status.parent / "00000002.history").write_text(HISTORY.splitlines()[0] + "\n")
    (status.parent / "00000004.history").write_text(HISTORY)
    said = tmp_path / "pg_controldata"
    # It is promoted by the time at which it is asked again.
    said.write_text(
        f"#!/bin/sh\necho 'Database cluster state:   '$(cat {tmp_path}/state)\necho in production > {tmp_path}/state\n"
    )
    said.chmod(0o755)
    (tmp_path / "state").write_text("in archive recovery\n")
    words = [sys.executable, PROGRAM, tmp_path, tmp_path / "data", "on_role_change", role, "shop-main"]
    subprocess.run(words, check=True)
    assert sorted(path.name for path in status.iterdir()) == sorted((*OTHERS, *(f"{name}.{ending}" for name in WHOLE)))
