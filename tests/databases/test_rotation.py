# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New passwords while rows are committed, each on a connection of its own."""

from __future__ import annotations

from stack.support import longshore, nothing_lost

from .conftest import Ledger

RATE = 5


def test_passwords_rotate_under_load(ledger: Ledger) -> None:
    for table, kind in (("turned", ""), ("turned-store", "store")):
        ledger.begin(table, kind)
        ledger.ask(f"/end?name={table}")
    before = {name: ledger.login(name) for name in ("main", "cache")}
    release = releases(ledger)[0]
    base = f"http://{ledger.lab.address('app1')}/commit?name"
    urls = [f"{base}=turned", f"{base}=turned-store&kind=store"]
    with ledger.lab.load(urls, "ledger.example", rate=RATE) as report:
        done = longshore(ledger.stack, "db", "rotate", "main", "cache")
    assert done.code == 0, done.end
    nothing_lost(report, rate=RATE)
    after = {name: ledger.login(name) for name in ("main", "cache")}
    assert [after[name][0] != before[name][0] for name in ("main", "cache")] == [True, False], "two users take turns"
    for name, works in (("main", sql_works), ("cache", store_works)):
        assert after[name][1] != before[name][1]
        assert after[name][1] not in done.everything
        assert works(ledger, *after[name])
        assert not works(ledger, *before[name]), f"the former password of {name} is good still"
    assert not longshore(ledger.stack, "plan", "--json").json["changes"]

    back = longshore(ledger.stack, "rollback", str(release))
    assert back.code == 0, back.end
    for kind in ("", "store"):
        assert ledger.ask(f"/commit?name=turned{'-store' if kind else ''}&kind={kind}"), (
            "it came back with its old password"
        )
    owners = sql(ledger, "select distinct tableowner from pg_tables where schemaname = 'public'")
    assert owners == "main", "what the second user makes is not the owner's"


def releases(ledger: Ledger) -> list[int]:
    """The numbers, the newest first."""
    found = longshore(ledger.stack, "releases", "--json").json
    return [int(release["number"]) for release in found["data"]["stack_info"]["releases"]]


def sql(ledger: Ledger, text: str) -> str:
    """What a statement gives on the primary."""
    words = ("runuser", "-u", "postgres", "--", "psql", "-XAt", "-d", "main", "-c", text)
    return ledger.lab.on(ledger.primary(), *words).stdout.strip()


def sql_works(ledger: Ledger, user: str, password: str) -> bool:
    """Whether PostgreSQL lets somebody in."""
    address = ledger.lab.described["hosts"][ledger.primary()]["private"]["v4"]
    words = f"PGPASSWORD={password} psql -XAt 'host={address} dbname=main user={user} sslmode=require' -c 'select 1'"
    return ledger.lab.on(ledger.primary(), "sh", "-c", words, check=False).stdout.strip() == "1"


def store_works(ledger: Ledger, user: str, password: str) -> bool:
    """Whether Valkey does."""
    address = ledger.lab.described["hosts"][ledger.store_primary()]["private"]["v4"]
    command = f"valkey-cli --tls --cacert /etc/longshore/ledger/valkey/ca.crt -h {address} --user {user} ping"
    words = f"REDISCLI_AUTH={password} {command} 2>&1"
    return ledger.lab.on(ledger.store_primary(), "sh", "-c", words, check=False).stdout.strip().endswith("PONG")
