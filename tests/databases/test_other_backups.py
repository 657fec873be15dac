# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of MariaDB and Redis: made, proved, restored, of MariaDB to a moment; what is broken is found."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from stack.support import longshore, until

from .conftest import SERVERS, Ledger
from .test_backups import damage_is_found, listed
from .test_mariadb import sql
from .test_stores import valkey

REPOSITORY = "/var/lib/longshore/ledger/backups/restic"
REPORTS = "/var/lib/longshore/ledger/backup-reports-restic"
LOG = "longshore-log-ledger-books.service"
SUM = "set group_concat_max_len = 1000000; select count(*), md5(group_concat(n, what order by n)) from {}"

TABLE = """create or replace table books.orders as
with recursive s(n) as (select 1 union all select n + 1 from s where n < 1000) select n, md5(n) what from s"""
LATE = "insert into books.orders values ({}, 'late')"


def restored(ledger: Ledger, name: str, text: str) -> str:
    """What a statement gives in a restored MariaDB."""
    words = f"mariadb --no-defaults -u keeper -S {REPORTS}/restored/{name}/socket -BN books -e '{text}'"
    return ledger.lab.on("app1", "runuser", "-u", "backup", "--", "sh", "-c", words).stdout.strip()


def test_a_dropped_table_is_there_a_second_before(ledger: Ledger) -> None:
    """Also after other servers have become primary, and with all that was written by a moment ago."""
    on = ledger.books_primary
    sql(ledger, on(), TABLE)
    made = longshore(ledger.stack, "backup", "now", "books")
    assert made.code == 0, made.end
    for number in (1001, 1002):
        assert longshore(ledger.stack, "db", "switchover", "books").code == 0
        primary = until(on, 30, "a primary")
        sql(ledger, primary, LATE.format(number))
    sums = sql(ledger, primary, SUM.format("books.orders"))
    moment = sql(ledger, primary, "select concat(utc_timestamp() + interval 1 second, '+00')")
    sql(ledger, primary, "select sleep(2)")
    sql(ledger, primary, "drop table books.orders; create or replace table books.after_it as select 1 n")
    # It is sent as it is written; a new primary is found within a few seconds.
    state = f"cat {REPORTS}/logs/ledger-books/state.json"
    until(lambda: f'"server": "{primary}"' in ledger.lab.on("app1", state).stdout, 60, "the log is the new primary's")
    done = longshore(ledger.stack, "backup", "restore", "books", "before", "--at", moment, "--json")
    assert done.code == 0, done.end
    try:
        found = done.json["data"]["database_backup"]["restored"]
        assert found["rows"]["books.orders"] == 1002
        assert restored(ledger, "before", SUM.format("orders")) == sums
        assert "after_it" not in restored(ledger, "before", "show tables")
        assert longshore(ledger.stack, "backup", "restore", "main", "before").code == 1, "there is one of that name"
    finally:
        assert longshore(ledger.stack, "backup", "drop", "before").code == 0
    # To the last moment there are all commits of all three primaries.
    proof = longshore(ledger.stack, "backup", "verify", "books")
    assert proof.code == 0, proof.end


@pytest.mark.long
def test_a_damaged_backup_is_found(ledger: Ledger) -> None:
    damage_is_found(ledger, REPOSITORY, "data -type f", 100, "books", "cache")


@pytest.mark.long
def test_half_a_copy_is_no_backup(ledger: Ledger) -> None:
    """Who sends it ends in its middle: nothing is kept of it."""
    before = listed(ledger, "books")["backups"]
    for server in SERVERS:
        script = "printf '#!/bin/sh\\nhead -c 3000000 /dev/zero\\nexit 1\\n' > /usr/local/bin/mariadb-backup"
        ledger.lab.on(server, "sh", "-c", f"{script}; chmod 755 /usr/local/bin/mariadb-backup")
    try:
        done = longshore(ledger.stack, "backup", "now", "books")
        assert done.code == 1, done.end
        assert "a part of its data only" in done.everything
    finally:
        for server in SERVERS:
            ledger.lab.on(server, "rm", "/usr/local/bin/mariadb-backup")
    told = longshore(ledger.stack, "backup", "list", "books")
    assert told.code == 4, told.end
    assert "the last backup failed" in told.output
    assert listed(ledger, "books")["backups"] == before
    good = longshore(ledger.stack, "backup", "now", "books")
    assert good.code == 0, good.end


@pytest.mark.long
def test_a_store_is_as_it_was_when_it_was_backed_up(ledger: Ledger, tmp_path: Path) -> None:
    valkey(ledger, ledger.store_primary(), "mset", "first", "1", "second", "2")
    made = longshore(ledger.stack, "backup", "now", "cache")
    assert made.code == 0, made.end
    label = listed(ledger, "cache")["backups"][-1]["label"]
    valkey(ledger, ledger.store_primary(), "del", "first")
    refused = longshore(ledger.stack, "backup", "restore", "cache", "store", "--at", "2026-01-01 00:00:00+00")
    assert refused.code == 1, refused.end
    assert "--backup LABEL" in refused.everything
    done = longshore(ledger.stack, "backup", "restore", "cache", "store", "--backup", label)
    assert done.code == 0, done.end
    try:
        ask = ("runuser", "-u", "backup", "--", "valkey-cli", "-s", f"{REPORTS}/restored/store/socket")
        assert ledger.lab.on("app1", *ask, "mget", "first", "second").stdout.split() == ["1", "2"]
    finally:
        assert longshore(ledger.stack, "backup", "drop", "store").code == 0
    done = longshore(ledger.stack, "backup", "download", "cache", label, str(tmp_path / "mine.rdb"))
    assert done.code == 0, done.end
    container = ledger.lab.described["hosts"]["app1"]["container"]
    subprocess.run(["docker", "cp", "-q", tmp_path / "mine.rdb", f"{container}:/root/mine.rdb"], check=True)
    assert "RDB looks OK" in ledger.lab.on("app1", "valkey-check-rdb", "/root/mine.rdb").stdout
    left = ledger.lab.on(
        "app1", "sh", "-c", f"ls {REPORTS}/restored {REPORTS}/proofs; pgrep -u backup -a mariadbd || true"
    )
    assert set(left.stdout.split()) == {f"{REPORTS}/restored:", f"{REPORTS}/proofs:"}


def test_a_log_that_nobody_keeps_is_told(ledger: Ledger) -> None:
    ledger.lab.on("app1", "systemctl", "stop", LOG)
    state = f"{REPORTS}/logs/ledger-books/state.json"
    try:
        # As if it had been so for an hour.
        text = ledger.lab.on("app1", "cat", state).stdout
        ledger.lab.on("app1", "sh", "-c", f'sed -i \'s/\\("good"\\|"at"\\): [0-9.]*/\\1: 1.0/g\' {state}')
        told = longshore(ledger.stack, "backup", "list", "books")
        assert told.code == 4, text
        assert "its log is not kept" in told.output
    finally:
        ledger.lab.on("app1", "systemctl", "start", LOG)
    until(lambda: longshore(ledger.stack, "backup", "list", "books").code == 0, 60, "the log is kept")


def test_no_password_is_seen(ledger: Ledger) -> None:
    directory = "/etc/longshore/ledger/credentials/databases"
    names = ("backups.passphrase", "books.replication", "cache.replication")
    secrets = [ledger.lab.on("app1", "cat", f"{directory}/{name}").stdout.strip() for name in names]
    seen = ledger.lab.on("app1", "sh", "-c", f"ps axww; journalctl --no-pager -o cat; cat {REPORTS}/*.jsonl").stdout
    assert "mariadb-binlog" in seen
    assert not [name for name, secret in zip(names, secrets, strict=True) if secret in seen]
    files = "/etc/longshore/ledger/restic/backups.json /etc/longshore/ledger/restic/ledger-books.cnf"
    modes = ledger.lab.on("app1", "sh", "-c", f"stat -c '%a %U %G' {files}").stdout
    assert set(modes.splitlines()) == {"640 root backup"}
