# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two changes of the stack file, one after the other, each with all that these tests want to be changed.

A run takes a minute however much it changes. The first one restarts nothing but the service, and backups go into a
bucket; the second restarts what can't be changed otherwise, and backups go to a server that is none of the stack's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from stack.support import Outcome, longshore, until

from ..conftest import Ledger
from ..test_backups import listed
from ..test_exporters import processes as exporters
from ..test_mariadb import sql as books_sql
from ..test_memcached import INSTANCE, knocks
from ..test_memcached import processes as memcached_processes
from ..test_postgresql import sql
from . import bucket as s3
from .keeper import VARIABLE, Keeper
from .said import on_all, processes

RATE = 6 << 20  # bytes a second, for backups of the MariaDB
MARK = "in a bucket"
NEAR = "/srv/near"  # the backup server's directory with a copy of what is in the bucket
LIVELY: dict[str, dict[str, str]] = {
    "main": {"work_mem": "5MB"},
    "cache": {"maxmemory": "96mb"},
    "books": {"max_connections": "123", "event_scheduler": "ON"},
}
RESTARTING: dict[str, dict[str, str]] = {
    "main": {"max_connections": "210"},
    "cache": {"databases": "32"},
    "books": {"back_log": "99"},
    "sessions": {"max-item-size": "2m"},
}


def settings(ledger: Ledger, changes: dict[str, dict[str, str]]) -> contextlib.AbstractContextManager[None]:
    """The file with other settings: database -> name -> value."""

    def change(content: dict[str, Any]) -> None:
        for database, values in changes.items():
            content["databases"][database].setdefault("settings", {}).update(values)

    return ledger.stack.changed(change)


@dataclass
class Changed:
    """What a change did: its run, and what the servers said before and after it."""

    ledger: Ledger
    up: Outcome
    memcached: tuple[list[str], list[str]]  # its processes, before and after
    told: dict[str, list[str]]
    now: Outcome  # of `backup now`, after it
    newest: dict[str, dict[str, Any]] = field(default_factory=dict)  # the backup that this made, by database


@dataclass
class First(Changed):
    """The first change."""

    bucket: s3.Bucket = field(kw_only=True)
    processes: tuple[list[tuple[str, ...]], list[tuple[str, ...]]] = field(kw_only=True)  # before and after it
    exporters: tuple[list[list[str]], list[list[str]]] = field(kw_only=True)  # their processes

    def labels(self, database: str) -> list[str]:
        """What the backups of a database are called, the oldest first."""
        return [str(each["label"]) for each in listed(self.ledger, database)["backups"]]


@dataclass
class Second(Changed):
    """The second change, while rows were written."""

    keeper: Keeper = field(kw_only=True)


def ordered(ledger: Ledger, *databases: str) -> tuple[Outcome, dict[str, dict[str, Any]]]:
    """Have backups made; gives the run and the backups."""
    now = longshore(ledger.stack, "backup", "now", *databases)
    assert now.code == 0, now.end
    return now, {database: listed(ledger, database)["backups"][-1] for database in databases}


@pytest.fixture(scope="package")
def first(request: pytest.FixtureRequest, running: Ledger) -> Iterator[First]:
    """Settings that need no restart, two databases' backups in an empty bucket, a memcached on one server only, and
    no exporter of the Redis."""
    ledger, bucket = running, s3.Bucket(running.lab)
    ledger.await_whole()
    bucket.serve()
    at_first = on_all(ledger)
    there = listed(ledger)["backups"][-1]["label"]

    def change(content: dict[str, Any]) -> None:
        copies = {"near": {"type": "local", "path": NEAR}}
        content["backups"] = {"repository": bucket.section, "copies": copies}
        content["databases"]["books"]["backup"]["bandwidth"] = RATE
        del content["databases"]["cache"]["backup"]
        del content["databases"]["cache"]["exporter"]
        # The service has them in its environment, so it is rolled too.
        content["databases"]["sessions"]["servers"] = ["app2"]

    with pytest.MonkeyPatch.context() as patch, settings(ledger, LIVELY), ledger.stack.changed(change):
        patch.setenv(s3.VARIABLE, bucket.secret)
        before, memcached, told_before = processes(ledger), memcached_processes(ledger), exporters(ledger)
        # Who is let into it is taken back, without a restart.
        stranger = ledger.lab.described["hosts"]["git"]["private"]["v4"]
        ledger.lab.on("app2", "systemctl", "set-property", INSTANCE, f"IPAddressAllow={stranger}")
        assert knocks(ledger, "git", "app2")
        up = longshore(ledger.stack, "up")
        assert up.code == 0, up.end
        after, told = processes(ledger), on_all(ledger)
        # A database that had tables and has none any more is not proved, so these stay.
        sql(ledger, ledger.primary(), f"create table if not exists bucketed as select '{MARK}' as place", "main")
        books_sql(ledger, ledger.books_primary(), f"create or replace table books.bucketed as select '{MARK}' place")
        now, newest = ordered(ledger, "main", "books")
        yield First(
            ledger,
            up,
            (memcached, memcached_processes(ledger)),
            told,
            now,
            newest,
            bucket=bucket,
            processes=(before, after),
            exporters=(told_before, exporters(ledger)),
        )
    # The last tests of `make test` have nobody for whom it would be as before.
    if any(item.get_closest_marker("long") for item in request.session.items):
        comes_back(ledger, at_first, there)
    bucket.end()


def comes_back(ledger: Ledger, at_first: dict[str, list[str]], there: str) -> None:
    """Have everything as it was before, and see that it is; ``there`` is the last backup where they were at first."""
    back = longshore(ledger.stack, "up", "-vvv", "--diff")
    assert back.code == 0, back.end
    assert ledger.login("main")[1] not in back.everything
    # Fewer connections: replicas can follow only after the primary.
    assert on_all(ledger) == at_first
    until(lambda: min(ledger.ask("/sessions?name=two&count=20")["found"].values()) > 3, 30, "both have keys again")
    # Where the backups are back, log is missing: no moment could be had until the next one, which is made at once.
    until(lambda: listed(ledger)["backups"][-1]["label"] > there, 90, "a backup beyond the missing log")
    until(lambda: not listed(ledger)["problems"], 90, "it is proved")
    assert longshore(ledger.stack, "backup", "list").code == 0


@pytest.fixture(scope="package")
def second(first: First, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Second]:
    """Settings that need restarts, and the backups of all on the client, with copies there and in the bucket."""
    ledger, keeper = first.ledger, Keeper(first.ledger.lab, tmp_path_factory.mktemp("keeper"))

    def change(content: dict[str, Any]) -> None:
        copies = {"bucket": {**first.bucket.section, "path": "/copied"}, "keeper": keeper.other}
        content["backups"] = {"repository": keeper.section, "copies": copies}
        content["databases"]["cache"]["backup"] = "@daily"

    with pytest.MonkeyPatch.context() as patch, settings(ledger, RESTARTING), ledger.stack.changed(change):
        patch.setenv(VARIABLE, keeper.key)
        memcached = memcached_processes(ledger)
        ledger.begin("settings", "books")
        up = longshore(ledger.stack, "up")
        assert up.code == 0, up.end
        ledger.await_whole("books")
        told = on_all(ledger)
        ledger.end("settings")
        # As above, this stays.
        sql(
            ledger, ledger.primary(), "create table if not exists elsewhere as select generate_series(1, 100) n", "main"
        )
        now, newest = ordered(ledger, "main", "books", "cache")
        yield Second(
            ledger,
            up,
            (memcached, memcached_processes(ledger)),
            told,
            now,
            newest,
            keeper=keeper,
        )
