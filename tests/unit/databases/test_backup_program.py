# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a keeper of backups complains of; that it makes and proves them is tried on real servers."""

from __future__ import annotations

import hashlib
import io
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

    def forget(self, name: str, label: str) -> None:
        """Nothing."""

    def make(self, name: str, _full: bool, _report: dict[str, Any]) -> str:
        """Fail."""
        raise backup_keeper.Failed(f"{name}: there is no place")

    def copy(self, copy: str, wait: bool) -> None:
        """None."""

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


@pytest.mark.parametrize(
    ("settles", "lacking", "due"), [(True, "", False), (True, "log is missing", True), (False, "", True)]
)
def test_a_backup_is_due_where_log_is_missing_or_does_not_come(
    backups: Any, monkeypatch: pytest.MonkeyPatch, settles: bool, lacking: str, due: bool
) -> None:
    def settle(name: str) -> bool:
        if not settles:
            raise backup_keeper.Failed(f"{name}: not within 60 s")
        return True

    monkeypatch.setattr(backups, "begun", lambda _name: True)
    monkeypatch.setattr(backups, "known", lambda _name: [backup()])
    monkeypatch.setattr(backups, "settle", settle)
    monkeypatch.setattr(backups, "lacking", lambda _name: lacking)
    assert backups.begin_all(["shop"], True, False) == {"new": [], "due": ["shop"] if due else []}
    # Only where they may have been elsewhere is anything asked of the primary.
    assert backups.begin_all(["shop"], False, False)["due"] == (["shop"] if lacking else [])


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


# A whole one, two that are built upon it, and another whole one.
CHAIN = [
    {"label": "a", "type": "full", "start": 90.0, "time": 100.0, "size": 7, "stored": 3, "needs": []},
    {"label": "b", "type": "incr", "start": 190.0, "time": 200.0, "size": 7, "stored": 1, "needs": ["a"]},
    {"label": "c", "type": "incr", "start": 290.0, "time": 300.0, "size": 7, "stored": 1, "needs": ["a", "b"]},
    {"label": "d", "type": "full", "start": 390.0, "time": 400.0, "size": 7, "stored": 3, "needs": []},
]


@pytest.fixture
def chained(backups: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The keeper, with the four of them; what it forgets is gone."""
    found = list(CHAIN)

    def forget(_name: str, label: str) -> None:
        found[:] = [each for each in found if label not in (each["label"], *each["needs"])]

    monkeypatch.setattr(backups, "known", lambda _name: list(found))
    monkeypatch.setattr(backups, "forget", forget)
    return backups


def proof(backups: Any, label: str, ok: bool = True) -> None:
    """Keep a report of one."""
    more = {"until": "1970-01-01 00:16:00+00", "restored": 1.5, "rows": {"t": 3}} if ok else {"why": "bad"}
    backups.report("shop", {"kind": "proof", "label": label, "began": 1000.0, "ok": ok, **more})


def test_all_is_told_of_one_backup(chained: Any) -> None:
    proof(chained, "c", ok=False)
    proof(chained, "c")
    found = chained.described("shop", "c")
    assert (found["needs"], found["needed_by"], found["seconds"]) == (["a", "b"], [], 10.0)
    assert (found["proof"]["ok"], found["proof"]["rto"], found["proof"]["rpo"]) == (True, 1.5, 40.0)
    assert chained.described("shop", "a")["needed_by"] == ["b", "c"]
    newest = chained.described("shop", "")
    assert (newest["label"], newest["proof"]) == ("d", None)
    with pytest.raises(backup_keeper.Failed, match=r"shop has no backup x; there are: a, b, c, d"):
        chained.described("shop", "x")


@pytest.mark.parametrize(
    ("until", "rpo"),
    [
        ("1970-01-01 00:16:30.250+00", 9.75),
        ("1970-01-01 01:16:30+01:00", 10.0),
        ("1970-01-01 00:16:30 UTC", 10.0),
        ("1970-01-01 01:00:00+00", 0.0),
        ("1970-01-01 01:16:30 CET", None),
        (None, None),
    ],
)
def test_what_could_be_lost_is_measured(until: str | None, rpo: float | None) -> None:
    assert backup_keeper.measured({"began": 1000.0, "ok": True, "until": until})["rpo"] == rpo


@pytest.mark.parametrize(
    ("label", "dependents", "goes", "lost"),
    [
        ("c", False, ["c"], "Every moment since 1970-01-01 00:01:40+00 can still be had"),
        ("b", True, ["b", "c"], "Every moment since 1970-01-01 00:01:40+00 can still be had"),
        (
            "a",
            True,
            ["a", "b", "c"],
            "No moment before 1970-01-01 00:06:40+00 can be had any more; until now those since ",
        ),
    ],
)
def test_a_removal_says_what_goes(chained: Any, label: str, dependents: bool, goes: list[str], lost: str) -> None:
    proof(chained, "d")
    told = chained.deletion("shop", label, dependents)
    assert told["goes"] == goes
    assert told["lost"].startswith(lost)
    assert len(chained.known("shop")) == len(CHAIN), "that was only said"
    assert chained.delete("shop", label, dependents) == told
    assert [each["label"] for each in chained.known("shop")] == [each for each in "abcd" if each not in goes]
    assert chained.reports("shop")[-1]["labels"] == goes


def test_moments_of_an_engine_without_a_log_are_gone(chained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chained, "every_moment", lambda _name: False)
    assert "1970-01-01 00:06:40+00" in chained.deletion("shop", "d", False)["lost"]


@pytest.mark.parametrize(
    ("proofs", "label", "why"),
    [
        ({}, "b", "c can't be restored without b; with --with-dependents all of them go"),
        ({"d": True}, "d", "no backup would be left of which a proof says that it is good"),
        ({"a": False, "b": False, "c": False}, "d", "no backup would be left"),
        ({"a": False, "d": True}, "d", "no backup would be left"),
    ],
)
def test_a_removal_is_refused(chained: Any, proofs: dict[str, bool], label: str, why: str) -> None:
    for each, ok in proofs.items():
        proof(chained, each, ok)
    with pytest.raises(backup_keeper.Failed, match=why):
        chained.delete("shop", label, False)
    assert len(chained.known("shop")) == len(CHAIN)


def test_the_last_backup_stays(chained: Any) -> None:
    chained.delete("shop", "a", True)
    with pytest.raises(backup_keeper.Failed, match="is the last backup"):
        chained.delete("shop", "d", True)


def test_what_is_handed_on_is_summed(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        told = backup_keeper.handed_on([["head", "-c", "1000000", "/dev/zero"], ["cat"]], file)
    content = (tmp_path / "out").read_bytes()
    assert told == {"bytes": 1000000, "sha256": hashlib.sha256(content).hexdigest()}
    with (tmp_path / "out").open("wb") as file, pytest.raises(backup_keeper.Failed, match="false ended with 1"):
        backup_keeper.handed_on([["false"]], file)
    with Path("/dev/full").open("wb") as file, pytest.raises(backup_keeper.Failed, match="can't be written: No space"):
        backup_keeper.handed_on([["yes"]], file)


def test_a_limit_is_kept_also_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not sent while nothing came is not made up for."""
    clock, sent = [100.0], io.BytesIO()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))

    class Source(io.BytesIO):
        """Gives nothing for a minute, after its first mebibyte."""

        def read(self, count: int | None = -1) -> bytes:
            if self.tell() == 1 << 20 and clock[0] < 160:
                clock[0] += 60
            return super().read(count)

    content = bytes(3 << 20)
    backup_keeper.copied(Source(content), sent, 1 << 20)
    assert sent.getvalue() == content
    assert clock[0] == pytest.approx(100 + 1 + 60 + 2)
    backup_keeper.copied(io.BytesIO(content), io.BytesIO(), 0)
    assert clock[0] == pytest.approx(163)


def test_what_takes_too_long_is_one_line() -> None:
    with pytest.raises(backup_keeper.Failed, match=r"sleep took longer than 0\.1 s"):
        backup_keeper.run(["sleep", "5"], timeout=0.1)


def test_settings_that_can_not_be_read_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "/nowhere/backups.json", "list"])
    assert backup_keeper.main(Nowhere) == 1
    assert capsys.readouterr().err == "[Errno 2] No such file or directory: '/nowhere/backups.json'\n"
