# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client loses when something breaks: no acknowledged row, and the old primary comes back by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stack.support import longshore, until

from .conftest import Ledger
from .test_postgresql import started


@contextmanager
def cut(ledger: Ledger, server: str, *directions: str) -> Iterator[None]:
    """Nothing goes over the private network of a server, in these directions, while the block runs."""
    address = ledger.lab.described["hosts"][server]["private"]["v4"]
    network = address.rsplit(".", 1)[0] + ".0/24"
    for direction in directions:
        side = "daddr" if direction == "output" else "saddr"
        chain = f"add chain inet cut {direction} {{ type filter hook {direction} priority -400; }}"
        rule = f"add rule inet cut {direction} ip {side} {network} ip {side} != {address} drop"
        ledger.lab.on(server, "nft", f"add table inet cut; {chain}; {rule}")
    try:
        yield
    finally:
        ledger.lab.on(server, "nft", "delete table inet cut")


def test_a_switchover(ledger: Ledger) -> None:
    old = ledger.primary()
    ledger.begin("switchover")
    done = longshore(ledger.stack, "db", "switchover", "main")
    assert done.code == 0, done.end
    ledger.await_other(old, 30)
    ledger.await_more("switchover", 30)
    ledger.end("switchover")


def test_the_primarys_server_is_lost(ledger: Ledger) -> None:
    """That of both databases."""
    old = both(ledger)
    ledger.begin("lost")
    ledger.begin("lost-store", "store")
    ledger.lab.run("kill", "--name", ledger.lab.name, old)
    try:
        ledger.await_other(old, 90)
        ledger.await_more("lost", 60)
        ledger.await_more("lost-store", 60, "store")
        ledger.end_store("lost-store")
        ledger.end("lost")
        degraded = longshore(ledger.stack, "db", "status")
        assert degraded.code == 4, degraded.end
        assert "not reached" in degraded.output
        told = longshore(ledger.stack, "db", "remove", "main", old)
        assert told.code == 1, told.end
        assert "nothing was done" in told.everything
    finally:
        ledger.lab.run("start", "--name", ledger.lab.name, old)
    ledger.await_whole()
    ledger.await_whole_store()
    assert ledger.members()[old]["role"] != "leader"
    assert ledger.store_primary() != old


def both(ledger: Ledger) -> str:
    """The server that is primary of both databases, which the Redis' is made if it isn't."""
    primary = ledger.primary()
    if ledger.store_primary() != primary:
        done = longshore(ledger.stack, "db", "switchover", "cache", "--to", primary)
        assert done.code == 0, done.end
        ledger.await_whole_store()
    return primary


def test_the_primary_is_cut_off(ledger: Ledger) -> None:
    old = both(ledger)
    ledger.begin("cut")
    ledger.begin("cut-store", "store")
    with cut(ledger, old, "input", "output"):
        until(lambda: ledger.primary_elsewhere(old), 90, "another primary")
        ledger.await_more("cut", 60)
        ledger.await_more("cut-store", 60, "store")
    ledger.end("cut")
    ledger.end_store("cut-store")
    ledger.await_whole()
    ledger.await_whole_store()
    assert ledger.members()[old]["role"] != "leader"
    assert ledger.store_primary() != old


def test_a_primary_that_is_heard_but_hears_nothing(ledger: Ledger) -> None:
    old = ledger.primary()
    ledger.begin("half")
    with cut(ledger, old, "input"):
        until(lambda: ledger.primary_elsewhere(old), 90, "another primary")
        ledger.await_more("half", 60)
    ledger.end("half")
    ledger.await_whole()


def test_killed_processes_come_back_where_they_were(ledger: Ledger) -> None:
    """The agent's end is noticed by nobody; PostgreSQL's costs seconds, and no other server takes over."""
    old = ledger.primary()
    ledger.begin("killed")
    before = started(ledger, old)
    unit = "patroni@ledger-main.service"
    pid = ("systemctl", "show", "--property=MainPID", "--value", unit)
    first = ledger.lab.on(old, *pid).stdout.strip()
    ledger.lab.on(old, "systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit)
    until(lambda: ledger.lab.on(old, *pid).stdout.strip() not in ("0", first), 30, "the agent is back")
    ledger.await_whole()
    assert started(ledger, old) == before, "PostgreSQL was restarted too"
    ledger.lab.on(old, "sh", "-c", "kill -9 $(head -1 /var/lib/postgresql/17/ledger-main/postmaster.pid)")
    until(lambda: started(ledger, old) not in ("", before), 60, "PostgreSQL is back")
    ledger.await_more("killed", 30)
    assert ledger.primary() == old
    ledger.end("killed")
