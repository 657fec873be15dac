# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More logical databases in one instance: each with its own users, who see nothing of the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Ledger

Login = tuple[str, str]


def sql(ledger: Ledger, login: Login, database: str, text: str) -> tuple[int, str]:
    """How it ends that somebody says something to the PostgreSQL, and the answer."""
    address = ledger.lab.described["hosts"][ledger.primary()]["private"]["v4"]
    place = f"host={address} dbname={database} user={login[0]} sslmode=require"
    words = f"PGPASSWORD={login[1]} psql -XAt '{place}' -c '{text}' 2>&1"
    done = ledger.lab.on(ledger.primary(), "sh", "-c", words, check=False)
    return done.returncode, done.stdout.strip()


def books(ledger: Ledger, login: Login, database: str, text: str) -> tuple[int, str]:
    """The same for the MariaDB."""
    server = ledger.books_primary()
    address = ledger.lab.described["hosts"][server]["private"]["v4"]
    options = "--ssl-ca=/etc/longshore/ledger/mariadb/ca.crt --ssl-verify-server-cert"
    words = (
        f"MYSQL_PWD={login[1]} mariadb --no-defaults -h {address} -u {login[0]} {options} {database} -BNe '{text}' 2>&1"
    )
    done = ledger.lab.on(server, "sh", "-c", words, check=False)
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(("name", "within", "say"), [("reports", "main", sql), ("letters", "books", books)])
def test_each_has_its_own_owner_and_reader(
    ledger: Ledger, name: str, within: str, say: Callable[[Ledger, Login, str, str], tuple[int, str]]
) -> None:
    owner, reader = ledger.login(name), ledger.login(name, "reader")
    others = (ledger.login(within), ledger.login(within, "reader"))
    assert say(ledger, owner, name, "create table told (x int)")[0] == 0
    try:
        assert say(ledger, owner, name, "insert into told values (7)")[0] == 0
        assert say(ledger, reader, name, "select x from told") == (0, "7")
        assert say(ledger, reader, name, "insert into told values (8)")[0] != 0
        for other in others:
            code, answer = say(ledger, other, name, "select x from told")
            assert code != 0
            assert "denied" in answer, answer
        for login in (owner, reader):
            code, answer = say(ledger, login, within, "select 1")
            assert code != 0
            assert "denied" in answer, answer
    finally:
        say(ledger, owner, name, "drop table told")
