# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL on three servers, judged by a client that remembers what was acknowledged."""

from __future__ import annotations

from stack.support import Outcome, longshore

from .conftest import SERVERS, Ledger


def test_plan_on_blank_servers_foresees_the_databases(first_up: tuple[Outcome, Outcome]) -> None:
    predicted, _done = first_up
    assert predicted.code == 2, predicted.end
    roles = {change["role"].rpartition(".")[2] for change in predicted.json["changes"]}
    assert {"etcd", "postgresql", "mariadb", "database_router", "services"} <= roles


def test_the_service_reaches_the_primary_and_a_replica(ledger: Ledger) -> None:
    assert ledger.primary() in SERVERS
    primary = ledger.ask("/primary")
    assert not primary["standby"]
    assert primary["tls"][0] is True, "connected without TLS"
    replica = ledger.ask("/replica")
    assert replica["standby"]
    assert replica["address"] != primary["address"]


def test_a_second_up_changes_nothing(ledger: Ledger) -> None:
    before = {server: started(ledger, server) for server in SERVERS}
    done = longshore(ledger.stack, "up", "--json")
    assert done.code == 0, done.end
    assert not done.json["changes"], done.json["changes"]
    assert {server: started(ledger, server) for server in SERVERS} == before


def test_extensions_are_there(ledger: Ledger) -> None:
    assert (
        sql(ledger, ledger.primary(), "select extname from pg_extension where extname = 'vector'", "main") == "vector"
    )


def test_nobody_gets_in_from_outside_or_without_tls(ledger: Ledger) -> None:
    server = ledger.primary()
    address = ledger.lab.described["hosts"][server]["private"]["v4"]
    for mode, user in (("disable", "main"), ("require", "postgres")):
        url = f"host={address} user={user} dbname=main sslmode={mode} password=wrong"
        done = ledger.lab.on(server, "psql", "-At", url, "-c", "select 1", check=False)
        assert done.returncode != 0
        assert "pg_hba.conf" in done.stderr, done.stderr
    ports = ledger.lab.on("client", "nc", "-zw2", ledger.lab.address(server), "5432", check=False)
    assert ports.returncode != 0, "PostgreSQL listens on the public address"


def test_status_tells_who_is_what(ledger: Ledger) -> None:
    done = longshore(ledger.stack, "db", "status", "--json")
    assert done.code == 0, done.end
    told = done.json["databases"]["main"]
    assert sorted(member["role"] for member in told.values()) == ["primary", "replica", "replica"]
    assert told[ledger.primary()]["role"] == "primary"
    assert [member["synchronous"] for member in told.values()].count(True) == 1
    assert all(member["size"] > 0 for member in told.values())


def test_no_password_is_seen(ledger: Ledger) -> None:
    """What ``up`` shows is looked at above."""
    _user, secret = ledger.login("main")
    for server in SERVERS:
        words = "ps axww; journalctl --no-pager -o cat; cat /var/log/postgresql/* 2>/dev/null || true"
        assert secret not in ledger.lab.on(server, "sh", "-c", words).stdout, server
    inspected = ledger.lab.on("app1", "sh", "-c", "docker service inspect $(docker service ls -q)").stdout
    assert secret not in inspected


def sql(ledger: Ledger, server: str, text: str, database: str = "postgres", *, check: bool = True) -> str:
    """What a statement gives on a server; without ``check`` nothing, while PostgreSQL does not answer."""
    words = ("runuser", "-u", "postgres", "--", "psql", "-XAt", "-d", database, "-c", text)
    return ledger.lab.on(server, *words, check=check).stdout.strip()


def started(ledger: Ledger, server: str) -> str:
    """When PostgreSQL of a server was started; empty while it does not answer."""
    return sql(ledger, server, "select pg_postmaster_start_time() at time zone 'utc'", check=False)
