# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB on the same three servers. test_faults.py has its server lost and cut off."""

from __future__ import annotations

import pytest
from stack.support import longshore, until

from .conftest import SERVERS, Ledger
from .test_faults import Etcd

INSTANCE = "mariadb-instance@ledger-books.service"
PROMOTER = "mariadb-promoter@ledger-books.service"
EVENTS = "/longshore/mariadb/ledger-books/events"
SOCKET = "/run/mariadb-ledger-books/mariadb.sock"


def sql(ledger: Ledger, server: str, text: str) -> str:
    """What a statement gives on a server."""
    words = ("mariadb", "--no-defaults", f"--socket={SOCKET}", "-BN", "-e", text)
    return ledger.lab.on(server, *words).stdout.strip()


def kept(ledger: Ledger, user: str) -> str:
    """A password, as the manager keeps it."""
    return ledger.login("books", user)[1]


def log_in(ledger: Ledger, server: str, user: str, secret: str, *words: str) -> str:
    """What a client that comes over the network is told; ``words``: an option, and SQL."""
    options, text = words
    address = ledger.lab.described["hosts"][server]["private"]["v4"]
    command = (
        f"MYSQL_PWD={secret} mariadb --no-defaults -h {address} -u {user} {options} books -BNe '{text}' 2>&1 || true"
    )
    return ledger.lab.on(server, "sh", "-c", command).stdout


def test_the_service_reaches_the_primary_and_a_replica(ledger: Ledger) -> None:
    primary, replica = (ledger.ask(f"/{name}?kind=books&name=x") for name in ("primary", "replica"))
    assert (primary["standby"], replica["standby"]) == (False, True)
    assert primary["tls"].startswith("TLS")


def test_status_tells_who_is_what(ledger: Ledger) -> None:
    done = longshore(ledger.stack, "db", "status", "--json")
    assert done.code == 0, done.end
    told = done.json["databases"]["books"]
    assert sorted(told) == list(SERVERS)
    assert sorted((member["role"], member["state"], member["synchronous"]) for member in told.values()) == [
        ("primary", "running", False),
        ("replica", "streaming", True),
        ("replica", "streaming", True),
    ]
    assert told[ledger.books_primary()]["role"] == "primary"
    assert all(member["version"].startswith("11.8.") for member in told.values())
    # With fewer files than it asks for it would keep fewer tables open than is usual.
    assert sql(ledger, SERVERS[0], "select @@global.table_open_cache") == "2000"


def test_nobody_gets_in_without_tls_or_password_and_each_user_may_do_its_own(ledger: Ledger) -> None:
    server = ledger.books_primary()
    trust = "--ssl-ca=/etc/longshore/ledger/mariadb/ca.crt"
    (user, owner), (reading, reader) = ledger.login("books"), ledger.login("books", "reader")
    assert "1" in log_in(ledger, server, user, owner, trust, "select 1")
    assert "ERROR" in log_in(ledger, server, user, owner, "--skip-ssl", "select 1")
    assert "ERROR 1045" in log_in(ledger, server, "books", "wrong", trust, "select 1")
    assert "ERROR 1142" in log_in(ledger, server, reading, reader, trust, "create table x (y int)")
    assert "ERROR 1227" in log_in(ledger, server, user, owner, trust, "set global read_only = 1")
    assert "ERROR" in log_in(ledger, server, "replication", kept(ledger, "replication"), trust, "select 1")
    ports = ledger.lab.on("client", "nc", "-zw2", ledger.lab.address(server), "3306", check=False)
    assert ports.returncode != 0, "MariaDB listens on the public address"


def test_a_slow_query_is_remembered_and_the_log_turns(ledger: Ledger) -> None:
    server = ledger.books_primary()
    path = "/var/lib/mariadb/ledger-books/slow.log"
    sql(ledger, server, "select sleep(1.1), 'slowly'")
    assert "select sleep(1.1), 'slowly'" in ledger.lab.on(server, "cat", path).stdout
    ledger.lab.on(server, "logrotate", "--force", "/etc/logrotate.d/longshore-mariadb")
    sql(ledger, server, "select sleep(1.1), 'again'")
    now, before = (
        ledger.lab.on(server, command, file).stdout for command, file in (("cat", path), ("zcat", f"{path}.1.gz"))
    )
    assert ("'again'" in now, "'slowly'" in now, "'slowly'" in before) == (True, False, True)


def test_nothing_is_copied_by_whoever_is_no_server_of_the_group(ledger: Ledger) -> None:
    """Everybody may ask who is primary; only with a member's certificate there are data."""
    server = ledger.books_primary()
    address = ledger.lab.described["hosts"][server]["private"]["v4"]
    ask = f"curl -s -m 5 -o /dev/null -w %{{http_code}} --cacert /etc/longshore/cluster/ca.crt https://{address}:8306"
    assert ledger.lab.on("app1", "sh", "-c", f"{ask}/primary").stdout == "200"
    assert ledger.lab.on("app1", "sh", "-c", f"{ask}/copy").stdout == "403"


@pytest.mark.long
def test_a_switchover_loses_nothing(ledger: Ledger) -> None:
    to = next(server for server in SERVERS if server != ledger.books_primary())
    ledger.begin("switched", "books")
    done = longshore(ledger.stack, "db", "switchover", "books", "--to", to)
    assert done.code == 0, done.end
    until(lambda: ledger.books_primary() == to, 30, f"{to} is primary")
    ledger.await_more("switched", 30, "books")
    ledger.end("switched")


def process(ledger: Ledger, server: str) -> str:
    """The number of the process that serves."""
    return ledger.lab.on(server, "systemctl", "show", "--property=MainPID", "--value", INSTANCE).stdout.strip()


def events(ledger: Ledger, server: str) -> str:
    """The state of each."""
    text = "select group_concat(event_name, ' ', status order by event_name) from information_schema.events"
    return sql(ledger, server, text)


def test_a_killed_process_costs_a_moment(ledger: Ledger) -> None:
    """Whoever has the most takes over, at once: nobody waits for a lease. Events that ran go on there, no others."""
    old = ledger.books_primary()
    made = "create or replace definer = books@'%' event books.{} on schedule every 1 day {} do set @nothing = 1;"
    sql(ledger, old, made.format("runs", "enable") + made.format("rests", "disable"))
    until(lambda: events(ledger, old) == "rests DISABLED,runs ENABLED", 5, "the events are there")
    until(lambda: '"running": ["books.runs"]' in Etcd(ledger, old).read(EVENTS), 15, "all know which run")
    ledger.begin("killed", "books")
    ledger.lab.on(old, "systemctl", "kill", "--kill-whom=main", "--signal=KILL", INSTANCE)
    ledger.await_more("killed", 30, "books")
    ledger.await_whole("books")
    ledger.end("killed")
    new = ledger.books_primary()
    until(lambda: "runs ENABLED" in events(ledger, new), 30, "the event runs")
    assert "rests ENABLED" not in events(ledger, new)
    sql(ledger, new, "drop event books.runs; drop event books.rests")


@pytest.mark.long
def test_a_primary_that_nobody_looks_after_takes_no_writes(ledger: Ledger) -> None:
    """Its promoter hangs, so nobody would notice when its lease ends: systemd ends it, and writes with it."""
    old = ledger.books_primary()
    ledger.begin("hung", "books")
    first = ledger.lab.on(old, "systemctl", "show", "--property=MainPID", "--value", PROMOTER).stdout
    ledger.lab.on(old, "systemctl", "kill", "--kill-whom=main", "--signal=STOP", PROMOTER)
    words = ("systemctl", "show", "--property=MainPID", "--value", PROMOTER)
    until(lambda: ledger.lab.on(old, *words).stdout not in (first, "0\n"), 30, "the promoter is back")
    ledger.await_more("hung", 30, "books")
    ledger.end("hung")


def test_a_replica_is_copied_anew_and_keeps_what_it_had(ledger: Ledger) -> None:
    primary = ledger.books_primary()
    replica = next(server for server in SERVERS if server != primary)
    refused = longshore(ledger.stack, "db", "resync", "books", primary)
    assert refused.code == 1, refused.end
    before = put_aside(ledger, replica)
    ledger.begin("copied", "books")
    done = longshore(ledger.stack, "db", "resync", "books", replica)
    assert done.code == 0, done.end
    ledger.await_whole("books")
    report = ledger.end("copied")
    assert not report["errors"], report
    assert len(put_aside(ledger, replica)) == len(before) + 1


def put_aside(ledger: Ledger, server: str) -> list[str]:
    """The data of a server that copies have replaced; a primary that was killed may have some already."""
    words = "ls -d /var/lib/mariadb/ledger-books/former-*/mysql 2>/dev/null || true"
    return ledger.lab.on(server, "sh", "-c", words).stdout.split()


def test_no_password_is_seen(ledger: Ledger) -> None:
    secrets = {user: kept(ledger, user) for user in ("replication", "monitor")}
    secrets |= {user: ledger.login("books", user)[1] for user in ("owner", "reader")}
    assert {len(secret) for secret in secrets.values()} == {32}
    for server in ("app1", *SERVERS):
        seen = ledger.lab.on(server, "sh", "-c", "ps axww; journalctl --no-pager -o cat").stdout
        assert not [user for user, secret in secrets.items() if secret in seen], server
    for server in SERVERS:
        listed = ledger.lab.on(server, "sh", "-c", "stat -c '%a %U %n' /etc/mysql/instances/*.json").stdout
        assert listed.split()[:2] == ["640", "root"]
