# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the servers say of the settings that are changed here, and which processes they have."""

from __future__ import annotations

from .. import test_mariadb as mariadb
from .. import test_queues as queues
from ..conftest import SERVERS, Ledger
from ..test_postgresql import sql, started
from ..test_stores import run_id, valkey


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
            queues.limit(ledger, server),
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
        "queue.memory",
    )
    return {name: sorted(set(values)) for name, values in zip(names, zip(*told, strict=True), strict=True)}


def processes(ledger: Ledger) -> list[tuple[str, ...]]:
    """Stands for the processes that run now."""
    return [
        (
            started(ledger, server),
            run_id(valkey(ledger, server, "info", "server")),
            mariadb.process(ledger, server),
            queues.process(ledger, server),
        )
        for server in SERVERS
    ]
