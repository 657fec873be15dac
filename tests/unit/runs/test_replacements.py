# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup that takes a database's place: what the servers are told; only what is whole is swapped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from longshore.runs import replacements

CONTENT = b"rows" * 300_000
ROWS = {"public.orders": 7}


class Primary:
    """Stands for the primary: keeps what it was told, and answers as told."""

    def __init__(
        self,
        directory: Path,
        rows: dict[str, int] | None = None,
        fails: str = "",
        reads: bool = True,
        engine: str = "postgresql",
    ) -> None:
        self.directory = directory
        self.answers = {
            "load": {"rows": ROWS if rows is None else rows},
            "swap": {"kept": "main_before", "closed": 0.1},
            "swapped": {"swapped": False},
        }
        self.fails, self.reads = fails, reads
        self.target = replacements.Target("shop-main", "main", self.at, "program", engine)

    def at(self, words: Sequence[str]) -> list[str]:
        """A command that notes the words and its input."""
        command = words[3]
        answer = json.dumps(self.answers.get(command, {}))
        read = f"cat > {self.directory}/{command}.input; " if self.reads or command != "load" else ""
        failed = f"echo 'no room for {command}' >&2; exit 1" if command in self.fails.split() else f"echo '{answer}'"
        return ["sh", "-c", f"echo '{' '.join(words[2:])}' >> {self.directory}/told; {read}{failed}"]

    @property
    def told(self) -> list[str]:
        """What it was told to do, without the names of new databases."""
        return [line.split()[1] for line in (self.directory / "told").read_text().splitlines()]


def sender(*, code: int = 0, rows: dict[str, int] = ROWS) -> list[str]:
    """A command that sends the content, and says on standard error what it was."""
    answer = {"bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(), "rows": rows, "until": None}
    words = "the disk is full" if code else json.dumps(answer)
    script = f"yes rows | tr -d '\\n' | head -c {len(CONTENT)}; echo '{words}' >&2; exit {code}"
    return ["sh", "-c", script]


def put(primary: Primary, *, code: int = 0, sql: str = "") -> dict[str, object]:
    """Have it take the database's place."""
    return replacements.replace(sender(code=code), primary.target, sql, lambda _count: None)


def test_it_is_loaded_then_cleaned_then_swapped(tmp_path: Path) -> None:
    primary = Primary(tmp_path)
    told = put(primary, sql="update people set name = 'x';")
    assert primary.told == ["load", "sql", "swap"]
    assert (told["rows"], told["kept"]) == (ROWS, "main_before")
    assert (tmp_path / "load.input").read_bytes() == CONTENT
    assert (tmp_path / "sql.input").read_text() == "update people set name = 'x';"
    load, _sql, swap = (tmp_path / "told").read_text().splitlines()
    assert load.split()[:3] == ["shop-main", "load", "main"]
    new = load.split()[3]
    assert swap.split()[2:] == ["main", new, new.replace("_new_", "_before_")]


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        ("load", ["load", "discard"]),
        ("sql", ["load", "sql", "discard"]),
        ("swap", ["load", "sql", "swap", "discard", "swapped"]),
    ],
)
@pytest.mark.parametrize("reads", [True, False])
def test_what_the_primary_refuses_leaves_the_database_as_it_was(
    tmp_path: Path, fails: str, told: list[str], reads: bool
) -> None:
    primary = Primary(tmp_path, fails=fails, reads=reads or fails != "load")
    with pytest.raises(replacements.ReplacementError, match=f"no room for {fails}"):
        put(primary, sql="select 1")
    assert primary.told == told


def test_a_backup_that_does_not_come_whole_is_not_swapped(tmp_path: Path) -> None:
    primary = Primary(tmp_path)
    with pytest.raises(replacements.ReplacementError, match="the disk is full"):
        put(primary, code=1)
    assert primary.told == ["load", "discard"]


def test_other_rows_than_the_backups_are_not_swapped(tmp_path: Path) -> None:
    primary = Primary(tmp_path, rows={"public.orders": 6})
    with pytest.raises(replacements.ReplacementError, match="not all of it came"):
        put(primary)
    assert primary.told == ["load", "discard"]


@pytest.mark.parametrize(
    ("engine", "own", "others"),
    [
        ("postgresql", {"public.orders": 7}, {"reports:public.orders": 5, "main_before_1:public.orders": 6}),
        ("mariadb", {"main.orders": 7}, {"reports.orders": 5, "main_before_1.orders": 6}),
    ],
)
def test_what_else_is_in_the_instance_does_not_count(
    tmp_path: Path, engine: str, own: dict[str, int], others: dict[str, int]
) -> None:
    target = Primary(tmp_path, rows=own, engine=engine).target
    told = replacements.replace(sender(rows={**own, **others}), target, "", lambda _count: None)
    assert told["rows"] == own


def test_an_exchange_whose_answer_is_lost_is_asked_for(tmp_path: Path) -> None:
    primary = Primary(tmp_path, fails="swap")
    primary.answers["swapped"] = {"swapped": True}
    told = put(primary)
    assert primary.told == ["load", "swap", "discard", "swapped"]
    kept = (tmp_path / "told").read_text().splitlines()[-1].split()[3]
    assert (told["rows"], told["kept"], told["closed"]) == (ROWS, kept, None)
    assert kept.startswith("main_before_")


@pytest.mark.parametrize("unasked", ["discard", "swapped"])
def test_an_exchange_of_which_nobody_knows_is_told(tmp_path: Path, unasked: str) -> None:
    primary = Primary(tmp_path, fails=f"swap {unasked}")
    with pytest.raises(replacements.UnknownError, match=f"no room for {unasked}\nif there is a database main_before_"):
        put(primary)


def test_a_primary_that_is_not_reached_is_told(tmp_path: Path) -> None:
    away = ["sh", "-c", "cat >/dev/null; exit 255"]
    target = replacements.Target("shop-main", "main", lambda _words: away, "program", "postgresql")
    with pytest.raises(replacements.ReplacementError, match="the primary could not be reached"):
        replacements.replace(sender(), target, "", lambda _count: None)
