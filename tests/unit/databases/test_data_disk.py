# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a disk counts as nearly full; that one is told of is tried on real servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.data_disk import notices, room

GIB = 1 << 30


@pytest.mark.parametrize(
    ("free", "disk", "told"),
    [
        (9 * GIB, 100 * GIB, True),
        (11 * GIB, 100 * GIB, False),
        (19 * GIB, 4000 * GIB, True),
        (21 * GIB, 4000 * GIB, False),
        (0, GIB, True),
    ],
)
def test_a_disk_is_nearly_full_below_a_tenth_and_twenty_gib(free: int, disk: int, told: bool) -> None:
    found = {"main": {"role": "", "free": free, "disk": disk}, "silent": {"state": "no answer"}}
    assert [notice.partition(": the disk of db1 ")[0] for notice in notices(found, "db1")] == ["main"] * told


def test_room_is_that_of_the_file_system(tmp_path: Path) -> None:
    found = room(str(tmp_path))
    assert 0 < found["free"] < found["disk"]
    assert room(str(tmp_path / "nothing")) == {}
