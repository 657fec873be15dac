# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the three engines: taken without a restart where that works, and by replicas first where it does not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from stack.support import longshore

from . import test_mariadb as mariadb
from .conftest import SERVERS, Ledger
from .test_postgresql import sql, started
from .test_stores import run_id, valkey


@contextlib.contextmanager
def changed(ledger: Ledger, **settings: dict[str, str]) -> Iterator[None]:
    """The file with other settings: database -> name -> value."""

    def change(content: dict[str, Any]) -> None:
        for database, values in settings.items():
            content["databases"][database]["settings"] |= values

    with ledger.stack.changed(change):
        yield


def on_all(ledger: Ledger) -> dict[str, list[str]]:
    """What the servers say of the settings that are changed here, each once when all say the same."""
    told = [
        (
            sql(ledger, server, "show max_connections"),
            sql(ledger, server, "show work_mem"),
            valkey(ledger, server, "config get databases").split()[-1],
            valkey(ledger, server, "config get maxmemory").split()[-1],
            mariadb.sql(ledger, server, "select @@global.back_log"),
            mariadb.sql(ledger, server, "select @@global.max_connections"),
        )
        for server in SERVERS
    ]
    names = (
        "main.max_connections",
        "main.work_mem",
        "cache.databases",
        "cache.maxmemory",
        "books.back_log",
        "books.max",
    )
    return {name: sorted(set(values)) for name, values in zip(names, zip(*told, strict=True), strict=True)}


def processes(ledger: Ledger) -> list[tuple[str, ...]]:
    """Stands for the processes that run now."""
    return [
        (
            started(ledger, server),
            run_id(valkey(ledger, server, "info", "server")),
            mariadb.process(ledger, server),
        )
        for server in SERVERS
    ]


def test_settings_are_taken_without_a_restart_or_by_replicas_first(ledger: Ledger) -> None:
    before, at_first = processes(ledger), on_all(ledger)
    lively: dict[str, dict[str, str]] = {
        "main": {"work_mem": "5MB"},
        "cache": {"maxmemory": "96mb"},
        "books": {"max_connections": "123"},
    }
    with changed(ledger, **lively):
        done = longshore(ledger.stack, "up")
        assert done.code == 0, done.end
        told = on_all(ledger)
        assert (told["main.work_mem"], told["cache.maxmemory"], told["books.max"]) == (
            ["5MB"],
            [str(96 << 20)],
            ["123"],
        )
        assert processes(ledger) == before, "something was restarted"
    for database, name, path in (
        ("books", "max_connections", "/etc/mysql/instances/ledger-books.cnf"),
        ("cache", "maxmemory-policy", "/etc/valkey/ledger-cache.conf"),
    ):
        with changed(ledger, **{database: {name: "wrong-one"}}):
            refused = longshore(ledger.stack, "up")
            assert refused.code == 1, refused.end
            assert name in refused.everything
            assert "wrong-one" not in ledger.lab.on(SERVERS[0], "cat", path).stdout
    restarting = {"main": {"max_connections": "210"}, "cache": {"databases": "32"}, "books": {"back_log": "99"}}
    ledger.begin("settings", "books")
    with changed(ledger, **restarting):
        done = longshore(ledger.stack, "up")
        assert done.code == 0, done.end
        ledger.await_whole("books")
        told = on_all(ledger)
        assert (told["main.max_connections"], told["cache.databases"], told["books.back_log"]) == (
            ["210"],
            ["32"],
            ["99"],
        )
        times = sorted((started(ledger, server), server) for server in SERVERS)
        assert times[-1][1] == ledger.primary(), times
        again = longshore(ledger.stack, "up", "--json")
        assert not again.json["changes"], again.json["changes"]
    ledger.end("settings")
    back = longshore(ledger.stack, "up", "-vvv", "--diff")
    assert back.code == 0, back.end
    assert ledger.login("main")[1] not in back.everything
    # Fewer connections: replicas can follow only after the primary.
    assert on_all(ledger) == at_first
