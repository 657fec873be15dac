# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of runs: the newest are kept, and runs that begin at once do not get into each other's way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from longshore.runs import storage


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory, with as many runs as are kept; 0 is the oldest."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    directory = storage.state_directory()
    for number in range(storage.KEPT):
        (directory / str(number)).mkdir()
        os.utime(directory / str(number), (number + 1, number + 1))
    return directory


def test_the_oldest_makes_room(kept: Path) -> None:
    storage.create("new")
    expected = {*(str(number) for number in range(1, storage.KEPT)), "new"}
    assert {entry.name for entry in kept.iterdir()} == expected


def test_one_that_is_in_use_stays(kept: Path) -> None:
    held = storage.hold(kept / "0")
    os.utime(kept / "0", (1, 1))
    storage.create("new")
    assert (kept / "0").exists()
    os.close(held)


def test_one_that_another_run_removes_meanwhile_does_no_harm(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Path.iterdir

    def removed_once_listed(directory: Path) -> Iterator[Path]:
        yield from listed(directory)
        (kept / "0").rmdir()

    monkeypatch.setattr(Path, "iterdir", removed_once_listed)
    storage.create("new")
    monkeypatch.undo()
    assert {entry.name for entry in kept.iterdir()} == {*(str(number) for number in range(1, storage.KEPT)), "new"}
