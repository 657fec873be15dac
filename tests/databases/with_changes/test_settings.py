# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the engines: taken without a restart where that works, else by replicas first, or one by one."""

from __future__ import annotations

import pytest
from stack.support import longshore

from ..conftest import SERVERS
from ..test_mariadb import sql as books_sql
from ..test_postgresql import started
from .conftest import First, Second, settings
from .said import on_all


def test_what_needs_no_restart_gets_none(first: First) -> None:
    told = first.told
    assert (told["main.work_mem"], told["cache.maxmemory"], told["books.max"]) == (["5MB"], [str(96 << 20)], ["123"])
    before, after = first.processes
    assert after == before, "something was restarted"


def test_events_are_run_by_who_takes_writes_and_nobody_else(first: First) -> None:
    ledger = first.ledger
    told = {server: books_sql(ledger, server, "select @@global.event_scheduler") for server in SERVERS}
    assert told == {server: "ON" if server == ledger.books_primary() else "OFF" for server in SERVERS}


@pytest.mark.parametrize(
    ("database", "name", "path"),
    [
        ("main", "work_mem", "/etc/patroni/ledger-main.yml"),
        ("books", "max_connections", "/etc/mysql/instances/ledger-books.cnf"),
        pytest.param("cache", "maxmemory-policy", "/etc/valkey/ledger-cache.conf", marks=pytest.mark.long),
        pytest.param("queue", "heartbeat", "/etc/rabbitmq/instances/ledger-queue.conf", marks=pytest.mark.long),
    ],
)
def test_what_the_engine_refuses_reaches_no_server(first: First, database: str, name: str, path: str) -> None:
    with settings(first.ledger, {database: {name: "wrong-one"}}):
        refused = longshore(first.ledger.stack, "up")
        assert refused.code == 1, refused.end
        assert name in refused.everything
        assert "wrong-one" not in first.ledger.lab.on(SERVERS[0], "cat", path).stdout


@pytest.mark.long
def test_a_rabbitmq_restarts_one_by_one(first: First) -> None:
    ledger = first.ledger
    ledger.begin("queue-settings", "queue")
    with settings(ledger, {"queue": {"vm_memory_high_watermark.absolute": "300MB"}}):
        done = longshore(ledger.stack, "up")
        assert done.code == 0, done.end
        ledger.await_whole("queue")
        assert on_all(ledger)["queue.memory"] == ["300000000"]
    assert ledger.end("queue-settings")["longest"] < 10


@pytest.mark.long
def test_what_needs_a_restart_gets_it_while_all_is_written(second: Second) -> None:
    told, ledger = second.told, second.ledger
    assert (told["main.max_connections"], told["cache.databases"], told["books.back_log"]) == (["210"], ["32"], ["99"])
    times = sorted((started(ledger, server), server) for server in SERVERS)
    assert times[-1][1] == ledger.primary(), times
