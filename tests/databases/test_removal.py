# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data are never removed by a command that removes something else."""

from __future__ import annotations

import pytest
from stack.support import longshore, until

from .conftest import FAST, SERVERS, Ledger
from .test_postgresql import sql
from .test_stores import valkey


@pytest.mark.long
def test_a_destroyed_cluster_comes_back_with_its_data_whoever_was_primary(ledger: Ledger) -> None:
    """The first in the file makes a database, and is not asked when there is one."""
    for name, primary in (("main", ledger.primary), ("cache", ledger.store_primary)):
        if primary() == SERVERS[0]:
            done = longshore(ledger.stack, "db", "switchover", name)
            assert done.code == 0, done.end
    ledger.await_whole("main", "cache")
    made = "drop table if exists kept; create table kept as select 7 as n; grant select on kept to main"
    sql(ledger, ledger.primary(), made, "main")
    store = ledger.store_primary()
    assert valkey(ledger, store, "set", "kept", "7") == "OK"
    ledger.ask("/commit?name=kept-queue&kind=queue")
    messages = until(lambda: ledger.ask("/primary?name=kept-queue&kind=queue")["rows"], 30, "the queue has it")
    before = (ledger.primary(), store)
    assert SERVERS[0] not in before

    gone = longshore(ledger.stack, "destroy", "--cluster", "--yes-destroy", "ledger")
    assert gone.code == 0, gone.end
    for server in SERVERS:
        processes = ("pgrep", "-f", "[p]ostgres|[p]atroni|[v]alkey|[e]tcd|[b]eam")
        assert ledger.lab.on(server, *processes, check=False).stdout == "", server
    assert "/var/lib/valkey/ledger-cache" in gone.output, gone.output
    assert "/var/lib/rabbitmq/ledger-queue" in gone.output, gone.output
    assert f"{FAST}/ledger-main/postgresql-17" in gone.output, gone.output

    back = longshore(ledger.stack, "up")
    assert back.code == 0, back.end
    ledger.await_whole("main", "cache", "queue")
    assert sql(ledger, ledger.primary(), "select n from kept", "main") == "7"
    assert valkey(ledger, ledger.store_primary(), "get", "kept") == "7"
    units = (
        "etcd",
        "patroni@ledger-main",
        "valkey-server@ledger-cache",
        "valkey-sentinel",
        "rabbitmq-instance@ledger-queue",
    )
    for server in SERVERS:
        enabled = ledger.lab.on(server, "systemctl", "is-enabled", *units, check=False).stdout.split()
        assert enabled == ["enabled"] * len(units), (server, enabled)
    until(lambda: ledger.ask("/primary?name=kept")["rows"] == 1, 30, "the service has it too")
    assert ledger.ask("/primary?name=kept-queue&kind=queue")["rows"] == messages
