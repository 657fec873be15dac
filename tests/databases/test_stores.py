# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Valkey on the same three servers, watched by Sentinels. test_faults.py has its server lost and cut off."""

from __future__ import annotations

import json

import pytest
from stack.support import longshore, until

from .conftest import SERVERS, Ledger

UNIT = "valkey-server@ledger-cache.service"


def valkey(ledger: Ledger, server: str, *words: str, user: str = "admin", password: str = "") -> str:
    """What the instance of a server answers over its network address."""
    address = ledger.lab.described["hosts"][server]["private"]["v4"]
    secret = password or kept(ledger, user)
    command = f"REDISCLI_AUTH={secret} valkey-cli --tls --cacert /etc/longshore/ledger/valkey/ca.crt -h {address}"
    return ledger.lab.on(server, "sh", "-c", f"{command} --user {user} {' '.join(words)} 2>&1").stdout.strip()


def kept(ledger: Ledger, user: str) -> str:
    """A password, as the manager keeps it."""
    return ledger.login("cache", user)[1]


def test_the_service_reaches_the_primary_and_a_replica(ledger: Ledger) -> None:
    primary, replica = (ledger.ask(f"/{name}?kind=store&name=x") for name in ("primary", "replica"))
    assert (primary["standby"], replica["standby"]) == (False, True)


def test_status_tells_who_is_what(ledger: Ledger) -> None:
    done = longshore(ledger.stack, "db", "status", "--json")
    assert done.code == 0, done.end
    told = done.json["databases"]["cache"]
    assert sorted(told) == list(SERVERS)
    assert sorted((member["role"], member["state"]) for member in told.values()) == [
        ("primary", "running"),
        ("replica", "streaming"),
        ("replica", "streaming"),
    ]
    assert told[ledger.store_primary()]["role"] == "primary"
    assert all(member["version"].startswith("8.") for member in told.values())


def test_nobody_gets_in_without_tls_or_password_and_each_user_may_do_its_own(ledger: Ledger) -> None:
    server = ledger.store_primary()
    address = ledger.lab.described["hosts"][server]["private"]["v4"]
    plain = ledger.lab.on(server, "sh", "-c", f"timeout 5 valkey-cli -h {address} ping || true")
    assert "PONG" not in plain.stdout
    assert "NOPERM" in valkey(ledger, server, "get", "x", user="router", password="none")
    assert "WRONGPASS" in valkey(ledger, server, "ping", user="cache", password="none")
    assert "NOPERM" in valkey(ledger, server, "shutdown", user="cache", password=ledger.login("cache")[1])
    reader = dict(zip(("user", "password"), ledger.login("cache", "reader"), strict=True))
    assert "NOPERM" in valkey(ledger, server, "set", "x", "1", **reader)
    assert "NOPERM" not in valkey(ledger, server, "get", "x", **reader)
    ports = ledger.lab.on("client", "nc", "-zw2", ledger.lab.address(server), "6379", check=False)
    assert ports.returncode != 0, "Valkey listens on the public address"


@pytest.mark.long
def test_a_switchover_loses_nothing(ledger: Ledger) -> None:
    to = next(server for server in SERVERS if server != ledger.store_primary())
    ledger.begin("switched", "store")
    done = longshore(ledger.stack, "db", "switchover", "cache", "--to", to)
    assert done.code == 0, done.end
    until(lambda: ledger.store_primary() == to, 30, f"{to} is primary")
    ledger.await_more("switched", 30, "store")
    assert ledger.end_store("switched")["lost"] == 0
    ledger.await_whole("cache")


def run_id(info: str) -> str:
    """What INFO says of the process."""
    return next(line for line in info.splitlines() if line.startswith("run_id:"))


def test_a_killed_primary_comes_back_as_what_the_sentinels_say(ledger: Ledger) -> None:
    """At once it is primary still, and has all that it answered; after a long time it is a replica."""
    old = ledger.store_primary()
    ledger.begin("killed", "store")
    ledger.lab.on(old, "systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    ledger.await_more("killed", 60, "store")
    ledger.await_whole("cache")
    ledger.lab.on(old, "systemctl", "stop", UNIT)
    until(lambda: ledger.store_primary() not in ("", old), 60, "another primary")
    ledger.await_more("killed", 30, "store")
    ledger.lab.on(old, "systemctl", "start", "--no-block", UNIT)
    ledger.await_whole("cache")
    assert ledger.store_primary() != old
    ledger.end_store("killed")


@pytest.mark.long
def test_a_replica_is_copied_anew_and_keeps_what_it_had(ledger: Ledger) -> None:
    primary = ledger.store_primary()
    replica = next(server for server in SERVERS if server != primary)
    refused = longshore(ledger.stack, "db", "resync", "cache", primary)
    assert refused.code == 1, refused.end
    assert "this server is primary" in refused.everything
    before = put_aside(ledger, replica)
    ledger.begin("copied", "store")
    done = longshore(ledger.stack, "db", "resync", "cache", replica)
    assert done.code == 0, done.end
    ledger.await_whole("cache")
    assert ledger.end_store("copied")["lost"] == 0
    assert len(put_aside(ledger, replica)) == len(before) + 1


def put_aside(ledger: Ledger, server: str) -> list[str]:
    """The data of a server that copies have replaced."""
    words = "ls -d /var/lib/valkey/ledger-cache/former-*/appendonlydir 2>/dev/null || true"
    return ledger.lab.on(server, "sh", "-c", words).stdout.split()


@pytest.mark.long
def test_one_is_promoted_by_hand_where_most_sentinels_are_lost(ledger: Ledger) -> None:
    old = ledger.store_primary()
    to, other = (server for server in SERVERS if server != old)
    refused = longshore(ledger.stack, "db", "promote", "cache", to)
    assert refused.code == 1, refused.end
    assert "has a primary" in refused.everything
    assert valkey(ledger, old, "set", "before", "7") == "OK"
    try:
        for server in (old, other):
            ledger.lab.on(server, "systemctl", "stop", "valkey-sentinel.service")
        ledger.lab.on(old, "systemctl", "stop", UNIT)
        done = longshore(ledger.stack, "db", "promote", "cache", to)
        assert done.code == 0, done.end
        assert "master" in valkey(ledger, to, "role")
        until(lambda: valkey(ledger, to, "set", "after", "8") == "OK", 60, "it takes writes")
        assert valkey(ledger, to, "get", "before") == "7"
    finally:
        for server in (old, other):
            ledger.lab.on(server, "systemctl", "start", "valkey-sentinel.service")
        ledger.lab.on(old, "systemctl", "start", "--no-block", UNIT)
    ledger.await_whole("cache")
    assert ledger.store_primary() == to


def test_no_password_is_seen(ledger: Ledger) -> None:
    secrets = {user: kept(ledger, user) for user in ("admin", "replication", "sentinel")}
    secrets["owner"] = ledger.login("cache")[1]
    assert {len(secret) for secret in secrets.values()} == {32}
    for server in ("app1", *SERVERS):
        seen = ledger.lab.on(server, "sh", "-c", "ps axww; journalctl --no-pager -o cat").stdout
        assert not [user for user, secret in secrets.items() if secret in seen], server
    for server in SERVERS:
        listed = ledger.lab.on(server, "sh", "-c", "stat -c '%a %U %n' /etc/valkey/ledger-cache.*").stdout
        modes = {line.split()[2].rpartition(".")[2]: line.split()[0] for line in listed.splitlines()}
        assert modes == {"acl": "640", "conf": "640", "json": "600", "place": "644"}


@pytest.mark.long
def test_who_was_away_for_long_asks_before_it_starts(ledger: Ledger) -> None:
    """Without a majority that says who is primary nobody starts, and nobody is overwritten."""
    server = next(each for each in SERVERS if each != ledger.store_primary())
    others = [each for each in SERVERS if each != server]
    ledger.lab.on(server, "systemctl", "stop", UNIT)
    described = json.loads(ledger.lab.on(server, "cat", "/etc/valkey/ledger-cache.json").stdout)
    watching = [
        each for each in SERVERS if ledger.lab.described["hosts"][each]["private"]["v4"] in described["sentinels"]
    ]
    assert watching == list(SERVERS)
    try:
        for other in others:
            ledger.lab.on(other, "systemctl", "stop", "valkey-sentinel.service")
        ledger.lab.on(server, "systemctl", "start", "--no-block", UNIT)
        said = ("journalctl", "--no-pager", "-o", "cat", "-u", UNIT, "-n", "3")
        until(lambda: "waiting until 2 of the Sentinels" in ledger.lab.on(server, *said).stdout, 30, "it waits")
        assert ledger.lab.on(server, "pgrep", "-f", "[v]alkey-server.*6379", check=False).stdout == ""
    finally:
        for other in others:
            ledger.lab.on(other, "systemctl", "start", "valkey-sentinel.service")
    ledger.await_whole("cache")
