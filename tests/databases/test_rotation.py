# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New passwords while rows are committed, each on a connection of its own."""

from __future__ import annotations

from stack.support import longshore, nothing_lost

from .conftest import Ledger
from .test_logical import books
from .test_logical import sql as sql_of
from .test_queues import works as queue_works

RATE = 6
# Database -> the word for it in the service's requests.
KINDS = {"main": "", "cache": "store", "books": "books", "queue": "queue"}
# Those with a user who may only read, as which the service asks replicas.
READ = ("main", "cache", "books")


def test_passwords_rotate_under_load(ledger: Ledger) -> None:
    for database, kind in KINDS.items():
        ledger.begin(f"turned-{database}", kind)
        ledger.ask(f"/end?name=turned-{database}")
    before, read_before = logins(ledger)
    release = releases(ledger)[0]
    asked = [f"/commit?name=turned-{database}&kind={kind}" for database, kind in KINDS.items()]
    asked += [f"/replica?name=turned-{database}&kind={KINDS[database]}" for database in READ]
    urls = [f"http://{ledger.lab.address('app1')}{path}" for path in asked]
    with ledger.lab.load(urls, "ledger.example", rate=RATE) as report:
        done = longshore(ledger.stack, "db", "rotate", *KINDS)
    assert done.code == 0, done.end
    nothing_lost(report, rate=RATE)
    after, read_after = logins(ledger)
    changed = {database for database in KINDS if after[database][0] != before[database][0]}
    assert changed == {"main", "books", "queue"}, "two users take turns, of a Redis one has both passwords"
    assert {database for database in READ if read_after[database][0] != read_before[database][0]} == {"main", "books"}
    for database, works in (("main", sql_works), ("cache", store_works), ("books", books_work), ("queue", queue_works)):
        turns = [(before[database], after[database])]
        turns += [(read_before[database], read_after[database])] if database in READ else []
        for former, new in turns:
            assert new[1] != former[1]
            assert new[1] not in done.everything
            assert works(ledger, *new)
            assert not works(ledger, *former), f"the former password of {former[0]} is good still"
    assert sql_works(ledger, *after["main"], "create table of_nobody ()")
    assert not sql_works(ledger, *read_after["main"], "drop table of_nobody")
    assert sql_works(ledger, *read_after["main"], "select from of_nobody")
    assert sql_works(ledger, *after["main"], "drop table of_nobody")
    assert not longshore(ledger.stack, "plan", "--json").json["changes"]
    ledger.begin("turned-after")
    ledger.ask("/end?name=turned-after")
    owner = sql(ledger, "select tableowner from pg_tables where tablename = 'turned-after'")
    assert owner == "main", "what the second user makes is not the owner's"

    back = longshore(ledger.stack, "rollback", str(release))
    assert back.code == 0, back.end
    for path in asked:
        assert ledger.ask(path), f"{path}: it came back with its old password"


def logins(ledger: Ledger) -> tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]]]:
    """By database who owns it, and who may read it, each with the password."""
    owners = {database: ledger.login(database) for database in KINDS}
    return owners, {database: ledger.login(database, "reader") for database in READ}


def releases(ledger: Ledger) -> list[int]:
    """The numbers, the newest first."""
    found = longshore(ledger.stack, "releases", "--json").json
    return [int(release["number"]) for release in found["data"]["stack_info"]["releases"]]


def sql(ledger: Ledger, text: str) -> str:
    """What a statement gives on the primary."""
    words = ("runuser", "-u", "postgres", "--", "psql", "-XAt", "-d", "main", "-c", text)
    return ledger.lab.on(ledger.primary(), *words).stdout.strip()


def sql_works(ledger: Ledger, user: str, password: str, text: str = "select 1") -> bool:
    """Whether PostgreSQL lets somebody in, and do this."""
    code, _answer = sql_of(ledger, (user, password), "main", text)
    return code == 0


def store_works(ledger: Ledger, user: str, password: str) -> bool:
    """Whether Valkey does."""
    address = ledger.lab.described["hosts"][ledger.store_primary()]["private"]["v4"]
    command = f"valkey-cli --tls --cacert /etc/longshore/ledger/valkey/ca.crt -h {address} --user {user} ping"
    words = f"REDISCLI_AUTH={password} {command} 2>&1"
    return ledger.lab.on(ledger.store_primary(), "sh", "-c", words, check=False).stdout.strip().endswith("PONG")


def books_work(ledger: Ledger, user: str, password: str) -> bool:
    """Whether MariaDB does."""
    return books(ledger, (user, password), "books", "select 1") == (0, "1")
