# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of settings: each change makes one, two are compared, a former one comes back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from stack.support import Outcome, longshore

from ..conftest import SERVERS, Ledger
from .conftest import First, settings
from .said import on_all, processes

# Database -> the setting that the first change changes, as the engine's file names it.
CHANGED = {"main": "work_mem", "books": "max_connections", "cache": "maxmemory"}


def history(ledger: Ledger, database: str) -> list[dict[str, Any]]:
    """The versions of a database's settings, the newest first."""
    told = longshore(ledger.stack, "config", "history", database, "--json")
    assert told.code == 0, told.end
    found: list[dict[str, Any]] = told.json["data"]["database_versions"]["versions"]
    return found


def differing(done: Outcome) -> set[tuple[Any, ...]]:
    """What `config diff --json` says: the database, the server, the setting, both values and whether it restarts."""
    return {
        (database, server, each["name"], each["before"], each["after"], each["restart"])
        for database, servers in done.json["databases"].items()
        for server, known in servers.items()
        for each in known["settings"]
    }


def test_a_change_makes_a_version_and_a_former_one_comes_back(first: First) -> None:
    ledger = first.ledger
    before = processes(ledger)
    former: dict[str, dict[str, str]] = {}  # by database and server: what is worked out may be another one on each
    for database, name in CHANGED.items():
        new, old, *_ = history(ledger, database)
        now, then = ({server: values[name] for server, values in version["servers"].items()} for version in (new, old))
        assert set(now.values()) == {{"main": "5MB", "books": "123", "cache": "96mb"}[database]}, new
        assert set(then.values()).isdisjoint(now.values()), "nothing was changed"
        former[database] = then
        back = longshore(ledger.stack, "config", "revert", database, str(old["number"]))
        assert back.code == 0, back.end
        # What the next run does to it.
        assert "the next `longshore up`" in back.output, back.output
    told = on_all(ledger)
    assert told["main.work_mem"] == sorted(set(former["main"].values()))
    assert told["books.max"] == sorted(set(former["books"].values())) == ["200"]
    assert (told["cache.maxmemory"], set(former["cache"].values())) == ([str(64 << 20)], {"64mb"})
    assert processes(ledger) == before, "something was restarted"

    made, reverted, *_ = history(ledger, "main")
    assert (made["kind"], made["of"], made["number"]) == ("revert", reverted["number"] - 1, reverted["number"] + 1)
    assert {server: values["work_mem"] for server, values in made["servers"].items()} == former["main"]
    between = longshore(ledger.stack, "config", "diff", "main", str(reverted["number"]), str(made["number"]))
    assert between.code == 2, between.end
    for server, value in former["main"].items():
        told = re.findall(rf"\bwork_mem +5MB → {value} +\[(.*)\]", between.output)
        assert any(server in servers.split() for servers in told), between.output
    # What the file says otherwise is what is asked for, of which one alone needs a restart.
    with settings(ledger, {"main": {"max_connections": "211"}}):
        asked = longshore(ledger.stack, "config", "diff", "--json")
    assert asked.code == 2, asked.end
    wanted = {
        *(("main", server, "max_connections", "200", "211", True) for server in SERVERS),
        *(("main", server, "work_mem", value, "5MB", False) for server, value in former["main"].items()),
        *(("books", server, "max_connections", value, "123", False) for server, value in former["books"].items()),
        *(("cache", server, "maxmemory", value, "96mb", False) for server, value in former["cache"].items()),
    }
    assert {each for each in differing(asked) if each[2] in {name for _, _, name, *_ in wanted}} == wanted


def test_a_version_that_there_is_not_is_refused(first: First) -> None:
    refused = longshore(first.ledger.stack, "config", "revert", "main", "999")
    assert refused.code == 1, refused.end
    assert "there is no version 999 of the settings of main" in refused.everything


@pytest.mark.long
def test_the_next_run_brings_what_the_file_says_and_then_nothing(first: First) -> None:
    ledger = first.ledger
    newest = {database: history(ledger, database)[0]["number"] for database in CHANGED}
    again = longshore(ledger.stack, "up")
    assert again.code == 0, again.end
    told = on_all(ledger)
    assert (told["main.work_mem"], told["cache.maxmemory"], told["books.max"]) == (["5MB"], [str(96 << 20)], ["123"])
    assert {database: history(ledger, database)[0]["number"] for database in CHANGED} == {
        database: number + 1 for database, number in newest.items()
    }
    assert longshore(ledger.stack, "config", "diff").code == 0
    still = longshore(ledger.stack, "up", "--json")
    assert [change["change"]["text"] for change in still.json["changes"]] == []


@pytest.mark.long
def test_a_version_that_needs_restarts_comes_back_replicas_first(first: First) -> None:
    ledger = first.ledger
    before, *_ = history(ledger, "main")
    with settings(ledger, {"main": {"max_connections": "212"}}):
        done = longshore(ledger.stack, "up")
        assert done.code == 0, done.end
    ledger.await_whole("main")
    foreseen = longshore(ledger.stack, "config", "diff", "main", str(before["number"]), "--json")
    assert differing(foreseen) >= {("main", server, "max_connections", "212", "200", True) for server in SERVERS}
    ledger.begin("reverted")
    back = longshore(ledger.stack, "config", "revert", "main", str(before["number"]))
    assert back.code == 0, back.end
    ledger.await_whole("main")
    assert on_all(ledger)["main.max_connections"] == ["200"]
    ledger.end("reverted")
    assert longshore(ledger.stack, "config", "diff", "main").code == 0
