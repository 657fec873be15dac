# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client loses when something breaks: no acknowledged row, and the old primary comes back by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
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


@dataclass(frozen=True)
class Fault:
    """The reports of both writers, that of PostgreSQL (None: not asked) and that of the Redis."""

    main: dict[str, Any]
    cache: dict[str, Any] | None = None


def switch(ledger: Ledger) -> Fault:
    """Have another server become primary."""
    old = ledger.primary()
    ledger.begin("switchover")
    done = longshore(ledger.stack, "db", "switchover", "main")
    assert done.code == 0, done.end
    ledger.await_other(old, 30)
    ledger.await_more("switchover", 30)
    return Fault(ledger.end("switchover"))


def lose(ledger: Ledger, meanwhile: Callable[[str], None] = lambda _old: None) -> Fault:
    """Take the power of the server that is primary of both databases, and bring it back."""
    old = both(ledger)
    ledger.begin("lost")
    ledger.begin("lost-store", "store")
    ledger.lab.run("kill", "--name", ledger.lab.name, old)
    try:
        ledger.await_other(old, 90)
        fault = end_both(ledger, "lost")
        meanwhile(old)
    finally:
        ledger.lab.run("start", "--name", ledger.lab.name, old)
    await_both(ledger, old)
    return fault


def cut_off(ledger: Ledger, *directions: str) -> Fault:
    """Cut the server that is primary of both databases off from the others, and bring it back."""
    old = both(ledger)
    ledger.begin("cut")
    ledger.begin("cut-store", "store")
    with cut(ledger, old, *directions):
        until(lambda: ledger.primary_elsewhere(old), 90, "another primary")
        ledger.await_more("cut", 60)
        ledger.await_more("cut-store", 60, "store")
    fault = end_both(ledger, "cut")
    await_both(ledger, old)
    return fault


def both(ledger: Ledger) -> str:
    """The server that is primary of both databases, which the Redis' is made if it isn't."""
    primary = ledger.primary()
    if ledger.store_primary() != primary:
        done = longshore(ledger.stack, "db", "switchover", "cache", "--to", primary)
        assert done.code == 0, done.end
        ledger.await_whole_store()
    return primary


def end_both(ledger: Ledger, name: str) -> Fault:
    """The reports of both, once both write again."""
    ledger.await_more(name, 60)
    ledger.await_more(f"{name}-store", 60, "store")
    return Fault(ledger.end(name), ledger.end_store(f"{name}-store"))


def await_both(ledger: Ledger, old: str) -> None:
    """Wait until all servers serve; ``old`` is primary of neither."""
    ledger.await_whole()
    ledger.await_whole_store()
    assert ledger.members()[old]["role"] != "leader"
    assert ledger.store_primary() != old


def test_a_switchover(ledger: Ledger) -> None:
    switch(ledger)


def test_the_primarys_server_is_lost(ledger: Ledger) -> None:
    def meanwhile(old: str) -> None:
        degraded = longshore(ledger.stack, "db", "status")
        assert degraded.code == 4, degraded.end
        assert "not reached" in degraded.output
        told = longshore(ledger.stack, "db", "remove", "main", old)
        assert told.code == 1, told.end
        assert "nothing was done" in told.everything

    lose(ledger, meanwhile)


def test_the_primary_is_cut_off(ledger: Ledger) -> None:
    cut_off(ledger, "input", "output")


@pytest.mark.long
def test_a_primary_that_is_heard_but_hears_nothing(ledger: Ledger) -> None:
    cut_off(ledger, "input")


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
