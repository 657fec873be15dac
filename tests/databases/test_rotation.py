# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New passwords while rows are committed, each on a connection of its own."""

from __future__ import annotations

from stack.support import longshore, nothing_lost

from .conftest import Ledger

RATE = 6
# Database -> the word for it in the service's requests.
KINDS = {"main": "", "cache": "store", "books": "books"}


def test_passwords_rotate_under_load(ledger: Ledger) -> None:
    for database, kind in KINDS.items():
        ledger.begin(f"turned-{database}", kind)
        ledger.ask(f"/end?name=turned-{database}")
    before = {database: ledger.login(database) for database in KINDS}
    release = releases(ledger)[0]
    commits = [f"/commit?name=turned-{database}&kind={kind}" for database, kind in KINDS.items()]
    urls = [f"http://{ledger.lab.address('app1')}{commit}" for commit in commits]
    with ledger.lab.load(urls, "ledger.example", rate=RATE) as report:
        done = longshore(ledger.stack, "db", "rotate", *KINDS)
    assert done.code == 0, done.end
    nothing_lost(report, rate=RATE)
    after = {database: ledger.login(database) for database in KINDS}
    changed = {database for database in KINDS if after[database][0] != before[database][0]}
    assert changed == {"main", "books"}, "two users take turns, of a Redis one has both passwords"
    for database, works in (("main", sql_works), ("cache", store_works), ("books", books_work)):
        assert after[database][1] != before[database][1]
        assert after[database][1] not in done.everything
        assert works(ledger, *after[database])
        assert not works(ledger, *before[database]), f"the former password of {database} is good still"
    assert not longshore(ledger.stack, "plan", "--json").json["changes"]
    ledger.begin("turned-after")
    ledger.ask("/end?name=turned-after")
    owner = sql(ledger, "select tableowner from pg_tables where tablename = 'turned-after'")
    assert owner == "main", "what the second user makes is not the owner's"

    back = longshore(ledger.stack, "rollback", str(release))
    assert back.code == 0, back.end
    for commit in commits:
        assert ledger.ask(commit), f"{commit}: it came back with its old password"


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


def books_work(ledger: Ledger, user: str, password: str) -> bool:
    """Whether MariaDB does."""
    server = ledger.books_primary()
    address = ledger.lab.described["hosts"][server]["private"]["v4"]
    options = "--ssl-ca=/etc/longshore/ledger/mariadb/ca.crt --ssl-verify-server-cert"
    words = f"MYSQL_PWD={password} mariadb --no-defaults -h {address} -u {user} {options} books -BNe 'select 1'"
    return ledger.lab.on(server, "sh", "-c", words, check=False).stdout.strip() == "1"
