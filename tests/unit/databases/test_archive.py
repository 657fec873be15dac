# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether some of a PostgreSQL's log is missing where it is kept, by the names of the files there."""

from __future__ import annotations

from typing import Any

import pytest
from programs import program

NOW = 1_000_000.0
LONG_AGO = NOW - 3600


@pytest.fixture(scope="module")
def archive() -> Any:
    """The program's module."""
    return program("roles/pgbackrest/files/archive.py")


def files(*segments: str, when: float = LONG_AGO) -> dict[str, float]:
    """Those of an archive, named by timeline/log/segment."""
    found = {}
    for segment in segments:
        name, _, ending = segment.partition(".")
        timeline, log, number = (int(each, 16) for each in name.split("/"))
        found[f"{timeline:08X}{log:08X}{number:08X}{'.' + ending if ending else ''}-{'a' * 40}.zst"] = when
    return found


STOP = "000000010000000000000005"


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (["1/0/5"], ""),
        (["1/0/3", "1/0/5", "1/0/6", "1/0/7"], ""),
        (["1/0/3", "1/0/5", "1/0/8"], "0000000000000006"),
        (["1/0/3", "1/0/6"], "0000000000000005"),
        (["1/0/5", "2/0/6", "2/0/7"], ""),
        (["1/0/5", "1/0/6", "1/0/7", "2/0/7", "2/0/8"], ""),
        (["1/0/5", "1/0/6.partial", "2/0/6", "2/0/7"], ""),
        (["1/0/5", "1/0/6.partial", "2/0/7"], "0000000000000006"),
        ([f"1/0/{number:x}" for number in range(5, 256)] + ["1/1/0", "1/1/1"], ""),
        ([f"1/0/{number:x}" for number in range(5, 255)] + ["1/1/0"], "00000000000000FF"),
        ([], ""),
    ],
)
def test_what_is_missing(archive: Any, there: list[str], expected: str) -> None:
    assert archive.missing(files(*there), STOP, NOW) == expected


def test_what_is_still_on_its_way_is_not_missing(archive: Any) -> None:
    there = files("1/0/5") | files("1/0/7", when=NOW - 5)
    assert archive.missing(there, STOP, NOW) == ""
    assert archive.missing(there | files("1/0/8", when=NOW - 100), STOP, NOW) == "0000000000000006"


def test_only_directories_from_the_backup_on_are_looked_at(archive: Any) -> None:
    names = ["0000000100000000", "0000000100000001", "0000000200000002", "00000002.history", "0000000200000001"]
    assert archive.directories(names, "000000010000000100000005") == [
        "0000000100000001",
        "0000000200000001",
        "0000000200000002",
    ]
