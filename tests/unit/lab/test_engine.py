# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab copes with what an engine that died has left."""

from __future__ import annotations

import os
from pathlib import Path

from lab.engine import remove_stale_pid


def test_a_dead_engines_pid_file_goes(tmp_path: Path) -> None:
    path = tmp_path / "docker.pid"
    path.write_text(f"{os.getpid()}\n")  # a number that another program has now
    remove_stale_pid(path)
    assert not path.exists()
    remove_stale_pid(path)


def test_what_is_no_pid_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "docker.pid"
    path.write_text("?")
    remove_stale_pid(path)
    assert path.exists()
