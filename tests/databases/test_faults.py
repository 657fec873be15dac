# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client loses when something breaks: no acknowledged row, and the old primary comes back by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from stack.support import longshore, until

from .conftest import Ledger
from .test_backups import UNIT as ARCHIVE
from .test_backups import kept_segments
from .test_postgresql import sql, started

# What etcd's own tool is given, by option.
FILES = {"cacert": "ca.crt", "cert": "tls.crt", "key": "tls.key"}
# The name of a segment that is full now.
SWITCHED = "select pg_walfile_name(pg_switch_wal()) from (select pg_logical_emit_message(false, 'test', 'x')) x"


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
    """The reports of the writers: into PostgreSQL, the Redis and the MariaDB (None: not asked)."""

    main: dict[str, Any]
    cache: dict[str, Any] | None = None
    books: dict[str, Any] | None = None


def switch(ledger: Ledger) -> Fault:
    """Have another server become primary."""
    old = ledger.primary()
    ledger.begin("switchover")
    done = longshore(ledger.stack, "db", "switchover", "main")
    assert done.code == 0, done.end
    ledger.await_other(old, 30)
    ledger.await_more("switchover", 30)
    return Fault(ledger.end("switchover"))


class Etcd:
    """The members' own tool, on one of their servers."""

    def __init__(self, ledger: Ledger, server: str) -> None:
        self._lab, self._server = ledger.lab, server
        hosts = ledger.lab.described["hosts"]
        self._servers = {its["private"]["v4"]: name for name, its in hosts.items() if its.get("private")}
        self._own = f"https://{hosts[server]['private']['v4']}:2379"

    def _said(self, *words: str, at: str = "") -> str:
        files = [f"--{option}=/etc/longshore/etcd/{name}" for option, name in FILES.items()]
        return self._lab.on(self._server, "etcdctl", f"--endpoints={at or self._own}", *files, *words).stdout

    def read(self, key: str) -> str:
        """What is written there."""
        return self._said("get", "--print-value-only", key)

    def _members(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._said("endpoint", "status", "--cluster", "-w", "json"))
        return found

    def led_by(self) -> str:
        """The server of the member that leads; empty while none does."""
        heads = [(each["Endpoint"], each["Status"]) for each in self._members()]
        leads = (place for place, status in heads if status["header"]["member_id"] == status["leader"])
        return next((self._servers[str(urlsplit(place).hostname)] for place in leads), "")

    def have_led(self, server: str) -> None:
        """Let the member of a server lead."""
        places = {self._servers[str(urlsplit(each["Endpoint"]).hostname)]: each for each in self._members()}
        number = places[server]["Status"]["header"]["member_id"]
        self._said("move-leader", f"{number:x}", at=places[self.led_by()]["Endpoint"])


def test_etcd_is_not_led_from_a_primarys_server_while_another_has_none(ledger: Ledger) -> None:
    """Else that server's loss costs a choice of etcd's leader too, and gives the lost primary's lease its time anew."""
    primary = ledger.primary()
    etcd = Etcd(ledger, primary)
    if etcd.led_by() != primary:
        etcd.have_led(primary)
    until(lambda: etcd.led_by() not in ("", primary), 30, "another server's member leads")


def nothing(_old: str) -> None:
    """What else is done, unless somebody says something else."""


def lose(ledger: Ledger, meanwhile: Callable[[str], None] = nothing, before: Callable[[str], None] = nothing) -> Fault:
    """Take the power of the server that is primary of all databases, and bring it back."""
    old = same(ledger)
    before(old)
    ledger.begin("lost")
    ledger.begin("lost-store", "store")
    ledger.begin("lost-books", "books")
    ledger.lab.run("kill", "--name", ledger.lab.name, old)
    try:
        ledger.await_other(old, 90)
        fault = end(ledger, "lost")
        meanwhile(old)
    finally:
        ledger.lab.run("start", "--name", ledger.lab.name, old)
    await_all(ledger, old)
    return fault


def cut_off(ledger: Ledger, *directions: str) -> Fault:
    """Cut the server that is primary of all databases off from the others, and bring it back."""
    old = same(ledger)
    ledger.begin("cut")
    ledger.begin("cut-store", "store")
    ledger.begin("cut-books", "books")
    with cut(ledger, old, *directions):
        until(lambda: ledger.primary_elsewhere(old), 90, "another primary")
        ledger.await_more("cut", 60)
        ledger.await_more("cut-store", 60, "store")
        ledger.await_more("cut-books", 60, "books")
    fault = end(ledger, "cut")
    await_all(ledger, old)
    return fault


def crash(ledger: Ledger) -> Fault:
    """Kill the processes of all databases on the server that is primary of all."""
    return killed(ledger, "valkey-server@ledger-cache", "mariadb-instance@ledger-books", postmaster=True)


def kill_agents(ledger: Ledger) -> Fault:
    """Kill what looks after the databases on the server that is primary of all, but not the databases."""
    return killed(ledger, "patroni@ledger-main", "mariadb-promoter@ledger-books", "valkey-sentinel", "etcd")


def killed(ledger: Ledger, *units: str, postmaster: bool = False) -> Fault:
    """Kill the main processes of these units, and PostgreSQL's, on the server that is primary of all."""
    old = same(ledger)
    ledger.begin("killed")
    ledger.begin("killed-store", "store")
    ledger.begin("killed-books", "books")
    kills = [f"systemctl kill --kill-whom=main --signal=KILL {unit}" for unit in units]
    if postmaster:
        kills.append("kill -9 $(head -1 /var/lib/postgresql/17/ledger-main/postmaster.pid)")
    ledger.lab.on(old, "sh", "-ec", "; ".join(kills))
    fault = end(ledger, "killed")
    ledger.await_whole()
    return fault


def same(ledger: Ledger) -> str:
    """The server that is primary of all databases, which that of PostgreSQL is made if it isn't."""
    primary = ledger.primary()
    for name, found in (("cache", ledger.store_primary()), ("books", ledger.books_primary())):
        if found != primary:
            done = longshore(ledger.stack, "db", "switchover", name, "--to", primary)
            assert done.code == 0, done.end
    ledger.await_whole("cache", "books")
    return primary


def end(ledger: Ledger, name: str) -> Fault:
    """The reports of all, once all write again."""
    ledger.await_more(name, 60)
    ledger.await_more(f"{name}-store", 60, "store")
    ledger.await_more(f"{name}-books", 60, "books")
    return Fault(ledger.end(name), ledger.end_store(f"{name}-store"), ledger.end(f"{name}-books"))


def await_all(ledger: Ledger, old: str) -> None:
    """Wait until all servers serve; ``old`` is primary of none."""
    ledger.await_whole()
    assert ledger.members()[old]["role"] != "leader"
    assert old not in (ledger.store_primary(), ledger.books_primary())


def test_a_switchover(ledger: Ledger) -> None:
    switch(ledger)


def test_the_primarys_server_is_lost(ledger: Ledger) -> None:
    """What it had not sent to the archive, the new one sends."""
    unsent: list[str] = []

    def before(old: str) -> None:
        ledger.lab.on("app1", "systemctl", "stop", ARCHIVE)
        unsent.extend(sql(ledger, old, SWITCHED) for _each in range(2))

    def meanwhile(old: str) -> None:
        ledger.lab.on("app1", "systemctl", "start", ARCHIVE)
        until(lambda: all(f"/{each}-" in kept_segments(ledger) for each in unsent), 60, f"{unsent} are kept")
        degraded = longshore(ledger.stack, "db", "status")
        assert degraded.code == 4, degraded.end
        assert "not reached" in degraded.output
        told = longshore(ledger.stack, "db", "remove", "main", old)
        assert told.code == 1, told.end
        assert "nothing was done" in told.everything

    lose(ledger, meanwhile, before)


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
