# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A data server that never comes back, and another one in its place. The last tests here: they leave it so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stack.support import longshore, until

from ..conftest import SERVERS, Ledger
from ..test_queues import asked

pytestmark = pytest.mark.long
LOST, NEW = SERVERS[-1], "app1"
STAYING = SERVERS[:-1]


def members(ledger: Ledger) -> list[str]:
    """Those of etcd."""
    directory = "/etc/longshore/etcd"
    words = f"--cacert {directory}/ca.crt --cert {directory}/tls.crt --key {directory}/tls.key"
    address = ledger.lab.described["hosts"][STAYING[0]]["private"]["v4"]
    script = f"etcdctl --endpoints https://{address}:2379 {words} member list -w json"
    found = json.loads(ledger.lab.on(STAYING[0], "sh", "-c", script).stdout)["members"]
    return sorted(each.get("name", "") for each in found)


def leads(members: dict[str, dict[str, Any]]) -> bool:
    """Whether one of them is primary."""
    return "leader" in [member["role"] for member in members.values()]


def test_a_lost_server_is_forgotten_and_another_one_takes_its_place(ledger: Ledger) -> None:
    forget = ("db", "forget", LOST, "--yes-lost", LOST)
    refused = longshore(ledger.stack, *forget)
    assert refused.code == 1, refused.end
    assert "so it is not lost" in refused.everything
    assert longshore(ledger.stack, "db", "forget", LOST, "--yes-lost", NEW).code == 3

    ledger.begin("forgotten")
    ledger.begin("forgotten-store", "store")
    ledger.begin("forgotten-books", "books")
    ledger.lab.run("kill", "--name", ledger.lab.name, LOST)
    # Patroni counts on it until its lease has ended.
    until(lambda: LOST not in (known := ledger.members_by(STAYING[0])) and leads(known), 90, "a primary of main")
    until(lambda: ledger.store_primary(STAYING) in STAYING, 90, "a primary of cache")
    until(lambda: ledger.books_primary(STAYING), 90, "a primary of books")
    forgotten = longshore(ledger.stack, *forget)
    assert forgotten.code == 4, forgotten.end
    assert members(ledger) == sorted(STAYING)
    assert ledger.store_members(list(STAYING)) == sorted(STAYING)
    nodes = {each["name"] for each in asked(ledger, STAYING[0], "nodes")}
    assert nodes == {f"ledger-queue@{server}" for server in STAYING}
    removed = longshore(ledger.stack, "server", "remove", LOST)
    assert removed.code in (0, 4), removed.end

    def replaced(content: dict[str, Any]) -> None:
        del content["servers"][LOST]
        for name in ("main", "cache", "books", "queue"):
            content["databases"][name]["servers"] = [*STAYING, NEW]

    with ledger.stack.changed(replaced):
        up = longshore(ledger.stack, "up")
        assert up.code == 0, up.end
        assert members(ledger) == sorted((*STAYING, NEW))
        whole = {*STAYING, NEW}
        until(
            lambda: (
                {name for name, each in ledger.members().items() if each["state"] in ("running", "streaming")} == whole
            ),
            120,
            "all have main",
        )
        told = longshore(ledger.stack, "db", "status", "--json")
        assert told.code == 0, told.end
        for name in ("main", "cache", "books", "queue"):
            assert set(told.json["databases"][name]) == whole, name
        # Containers of the same server are let in: whether they read there, or write.
        address = ledger.lab.described["hosts"][NEW]["private"]["v4"]
        until(lambda: ledger.ask("/replica")["address"] == address, 60, "they read there")
        moved = longshore(ledger.stack, "db", "switchover", "main", "--to", NEW)
        assert moved.code in (0, 1), moved.end
        if moved.code == 1:
            # Commits wait for another one, which therefore comes first.
            assert "may lack what is committed" in moved.everything
            stopped = next(each for each in STAYING if each != ledger.primary())
            ledger.lab.on(stopped, "systemctl", "stop", "patroni@ledger-main")
            until(lambda: ledger.members().get(NEW, {}).get("role") == "sync_standby", 60, "commits wait for it")
            ledger.lab.on(stopped, "systemctl", "start", "patroni@ledger-main")
            assert longshore(ledger.stack, "db", "switchover", "main", "--to", NEW).code == 0
        until(lambda: ledger.ask("/primary")["address"] == address, 60, "they write there")
        ledger.begin("beside")
        ledger.end("beside")
        # The service was rolled, so the writers are others now; what they wrote is there.
        assert not longshore(ledger.stack, "plan", "--json").json["changes"]
    for table, kind in (("forgotten", ""), ("forgotten-store", "store"), ("forgotten-books", "books")):
        assert ledger.rows(table, kind) > 0
