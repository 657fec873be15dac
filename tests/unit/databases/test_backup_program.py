# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a keeper of backups complains of; that it makes and proves them is tried on real servers."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import backup_keeper

DAY = 86400.0


class Nowhere(backup_keeper.Keeper):
    """Keeps nothing."""

    def begun(self, _name: str) -> bool:
        """Never."""
        return False

    def begin(self, name: str) -> None:
        """Nothing."""

    def known(self, _name: str) -> list[dict[str, Any]]:
        """None."""
        return []

    def make(self, name: str, _full: bool, _report: dict[str, Any]) -> str:
        """Fail."""
        raise backup_keeper.Failed(f"{name}: there is no place")

    def scratch(self, _name: str, place: Path) -> backup_keeper.Scratch:
        """Fail."""
        raise backup_keeper.Failed(f"{place}: there is nothing")


@pytest.fixture
def backups(tmp_path: Path) -> Any:
    """A keeper of the backups of one database that is backed up daily."""
    settings = {"database": "main", "gap": DAY, "verify": True}
    path = tmp_path / "backups.json"
    path.write_text(
        json.dumps({"directory": str(tmp_path), "repository": str(tmp_path), "stanzas": {"shop": settings}})
    )
    return Nowhere(str(path))


def backup(age: float = 0.0, size: int = 100, kind: str = "full") -> dict[str, Any]:
    """One as it is listed, so many seconds old."""
    return {"label": "a", "type": kind, "time": time.time() - age, "size": size}


GOOD = [{"kind": "backup", "ok": True}, {"kind": "proof", "label": "a", "ok": True}]


@pytest.mark.parametrize(
    ("found", "reports", "expected"),
    [
        ([backup()], GOOD, []),
        ([], GOOD, ["there is no backup"]),
        ([backup(age=DAY + 3000)], GOOD, []),
        ([backup(age=DAY + 4000)], GOOD, ["the newest backup is 25 h old"]),
        (
            [backup(size=100 << 20), backup(size=40 << 20)],
            GOOD,
            ["the database shrank from 100 to 40 MB between two whole backups"],
        ),
        ([backup(size=100 << 20), backup(size=60 << 20)], GOOD, []),
        ([backup(size=100 << 20), backup(size=1, kind="incr")], GOOD, []),
        ([backup()], GOOD[:1], ["no backup was ever proved"]),
        ([backup()], [*GOOD, {"kind": "proof", "ok": False, "why": "bad"}], ["the last proof failed: bad"]),
        ([backup()], [{"kind": "backup", "ok": False, "why": "full"}, *GOOD], []),
        ([backup()], [*GOOD, {"kind": "backup", "ok": False, "why": "full"}], ["the last backup failed: full"]),
    ],
)
def test_what_is_told(backups: Any, found: list[Any], reports: list[Any], expected: list[str]) -> None:
    assert backups.problems("shop", found, reports) == expected


def test_a_disk_without_room_is_said_before_anything_is_made(backups: Any) -> None:
    small = [{"stored": 1}]
    backups.room(small, "full")
    backups.room([], "full")
    with pytest.raises(backup_keeper.Failed, match="Make room"):
        backups.room([{"stored": 1 << 60}], "full")


def test_an_empty_backup_is_good_only_while_the_database_never_had_a_table(backups: Any) -> None:
    assert backups.tables_before("shop") == 0
    backups.report("shop", {"kind": "proof", "ok": True, "rows": {"public.orders": 0, "public.lines": 7}})
    backups.report("shop", {"kind": "proof", "ok": False})
    backups.report("shop", {"kind": "backup", "ok": True})
    assert backups.tables_before("shop") == 2


def test_reports_are_kept_in_order_and_not_for_ever(backups: Any) -> None:
    for number in range(backup_keeper.KEPT_REPORTS + 5):
        backups.report("shop", {"kind": "proof", "number": number})
    kept = [each["number"] for each in backups.reports("shop")]
    assert kept == list(range(5, backup_keeper.KEPT_REPORTS + 5))


def test_another_one_is_waited_for_but_not_for_ever(backups: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_keeper, "WAITED", 0)
    with backups.locked("shop"), pytest.raises(backup_keeper.Failed, match="another backup"), backups.locked("shop"):
        pass
    with backups.locked("shop"):
        pass


@pytest.mark.parametrize("name", ["../etc", "", "A", "a/b", "-a"])
def test_a_restored_instance_stays_in_its_directory(backups: Any, name: str) -> None:
    with pytest.raises(backup_keeper.Failed, match="no name of an instance"):
        backups.restored(name)


def test_what_takes_too_long_is_one_line() -> None:
    with pytest.raises(backup_keeper.Failed, match=r"sleep took longer than 0\.1 s"):
        backup_keeper.run(["sleep", "5"], timeout=0.1)


def test_settings_that_can_not_be_read_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "/nowhere/backups.json", "list"])
    assert backup_keeper.main(Nowhere) == 1
    assert capsys.readouterr().err == "[Errno 2] No such file or directory: '/nowhere/backups.json'\n"
