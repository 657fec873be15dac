# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of PostgreSQL: made, proved, restored to a moment; what is broken is found."""

from __future__ import annotations

from typing import Any

import pytest
from stack.support import longshore, until

from .conftest import Ledger
from .test_postgresql import sql

REPOSITORY = "/var/lib/longshore/ledger/backups"
UNIT = "longshore-pgbackrest-ledger.service"
REPORTS = "/var/lib/longshore/ledger/backup-reports"


def listed(ledger: Ledger, database: str = "main") -> dict[str, Any]:
    """What ``backup list`` says of the database."""
    found: dict[str, Any] = longshore(ledger.stack, "backup", "list", database, "--json").json["data"]
    return dict(found["database_backup"]["backups"][f"ledger-{database}"])


def restored(ledger: Ledger, name: str, text: str) -> str:
    """What a statement gives in a restored instance."""
    place = f"{REPORTS}/restored/{name}"
    words = ("runuser", "-u", "postgres", "--", "psql", "-XAt", "-h", place, "-d", "main", "-c", text)
    return ledger.lab.on("app1", *words).stdout.strip()


def a_second_before(ledger: Ledger, text: str) -> str:
    """Do something that is regretted, and wait until the log of it is kept; gives a moment just before."""
    primary = ledger.primary()
    moment = sql(ledger, primary, "select clock_timestamp() + interval '1 second'", "main")
    sql(ledger, primary, "select pg_sleep(2)", "main")
    sql(ledger, primary, text, "main")
    # Its log is kept once it is full, or after a minute.
    file = sql(ledger, primary, "select pg_walfile_name(pg_switch_wal())")
    archived = "select last_archived_wal from pg_stat_archiver"
    until(lambda: sql(ledger, primary, archived) >= file, 90, "the log is kept")
    return moment


def kept_segments(ledger: Ledger) -> str:
    """The log of PostgreSQL that is kept, a file a line."""
    config = "/etc/longshore/ledger/pgbackrest/pgbackrest.conf"
    look = ("runuser", "-u", "postgres", "--", "pgbackrest", f"--config={config}", "repo-ls", "archive", "--recurse")
    return ledger.lab.on("app1", *look).stdout


@pytest.mark.parametrize("database", ["main", "books", "cache", "queue"])
def test_the_first_backup_is_made_and_proved_by_itself(ledger: Ledger, database: str) -> None:
    found = until(
        lambda: (known := listed(ledger, database))["backups"] and known["backups"][0]["proved"] is not None and known,
        120,
        "proof",
    )
    assert found["backups"][0]["type"] == "full"
    assert found["backups"][0]["proved"] is True
    assert not found["problems"]


def test_a_dropped_table_is_there_a_second_before(ledger: Ledger) -> None:
    """Also after another server has become primary: the log of both is kept."""
    primary = ledger.primary()
    sql(ledger, primary, "create table orders as select n, md5(n::text) from generate_series(1, 1000) n", "main")
    # A database that had tables and has none any more is not proved.
    sql(ledger, primary, "create table if not exists lasting as select 1 as n", "main")
    sums = sql(ledger, primary, "select md5(string_agg(n || md5, ',' order by n)) from orders", "main")
    # As one that is at work already, which is waited for.
    lock = f"flock {REPORTS}/ledger-main.lock sleep 6"
    ledger.lab.on(
        "app1", "sh", "-c", f"{lock} >/dev/null 2>&1 & until ! flock -n {REPORTS}/ledger-main.lock true; do :; done"
    )
    made = longshore(ledger.stack, "backup", "now", "main")
    assert made.code == 0, made.end
    assert longshore(ledger.stack, "db", "switchover", "main").code == 0
    primary = until(ledger.primary, 30, "a primary")
    sql(ledger, primary, "insert into orders values (1001, 'late')", "main")
    moment = a_second_before(ledger, "drop table orders")
    done = longshore(ledger.stack, "backup", "restore", "main", "before", "--at", moment, "--json")
    assert done.code == 0, done.end
    try:
        assert done.json["data"]["database_backup"]["restored"]["rows"]["public.orders"] == 1001
        assert (
            restored(ledger, "before", "select md5(string_agg(n || md5, ',' order by n)) from orders where n < 1001")
            == sums
        )
        assert longshore(ledger.stack, "backup", "restore", "main", "before").code == 1, "there is one of that name"
    finally:
        assert longshore(ledger.stack, "backup", "drop", "before").code == 0


def damage_is_found(ledger: Ledger, repository: str, files: str, offset: int, *databases: str) -> None:
    """Damage the files of a repository that ``find`` is asked for, see that the databases' proofs fail, and undo it."""
    damage = f"printf XXXXXXXX | dd of=$file bs=1 seek={offset} conv=notrunc status=none"
    kept = f"{repository}.kept.tar"  # of these files only: others come meanwhile, and stay
    script = f"cd {repository} && tar -cf {kept} $(find {files}) && for file in $(tar -tf {kept}); do {damage}; done"
    ledger.lab.on("app1", "sh", "-c", script)
    try:
        for database in databases:
            done = longshore(ledger.stack, "backup", "verify", database)
            assert done.code == 1, done.end
            assert "could not be proved" in done.everything
        told = longshore(ledger.stack, "backup", "list")
        assert told.code == 4, told.end
        assert "FAILED" in told.output
    finally:
        ledger.lab.on("app1", "sh", "-c", f"cd {repository} && tar -xpf {kept} && rm {kept}")
    good = longshore(ledger.stack, "backup", "verify", *databases)
    assert good.code == 0, good.end
    assert longshore(ledger.stack, "backup", "list").code == 0


def test_a_damaged_backup_is_found(ledger: Ledger) -> None:
    damage_is_found(ledger, REPOSITORY, "backup/ledger-main -type f -path '*bundle*' -size +8k", 4000, "main")


@pytest.mark.long
def test_a_backup_that_the_users_own_check_refuses_is_bad(ledger: Ledger) -> None:
    sql(ledger, ledger.primary(), "create table unwanted (n int)", "main")
    refused = longshore(ledger.stack, "backup", "now", "main")
    assert refused.code == 1, refused.end
    assert "its own check" in refused.everything
    assert "an unwanted table is there" in refused.everything
    assert [each["proved"] for each in listed(ledger)["backups"]][-1] is False
    sql(ledger, ledger.primary(), "drop table unwanted", "main")
    good = longshore(ledger.stack, "backup", "now", "main")
    assert good.code == 0, good.end


@pytest.mark.long
def test_a_log_that_can_not_be_sent_is_told(ledger: Ledger) -> None:
    primary = ledger.primary()
    ledger.lab.on("app1", "systemctl", "stop", UNIT)
    try:
        sql(ledger, primary, "select pg_switch_wal() from (select pg_logical_emit_message(false, 'test', 'x')) x")
        failed = "select last_failed_time > coalesce(last_archived_time, '-infinity') from pg_stat_archiver"
        until(lambda: sql(ledger, primary, failed) == "t", 120, "the archiver fails")
        told = longshore(ledger.stack, "db", "status")
        assert told.code == 4, told.end
        assert f"the log of {primary} can't be sent" in told.output
    finally:
        ledger.lab.on("app1", "systemctl", "start", UNIT)
    # It tries again once there is more.
    sql(ledger, primary, "select pg_switch_wal() from (select pg_logical_emit_message(false, 'test', 'x')) x")
    until(lambda: sql(ledger, primary, failed) == "f", 120, "the archiver works")
    good = longshore(ledger.stack, "db", "status")
    assert good.code == 0, good.end


def test_the_passphrase_is_not_seen(ledger: Ledger) -> None:
    path = "/etc/longshore/ledger/credentials/databases/backups.passphrase"
    secret = ledger.lab.on("app1", "cat", path).stdout.strip()
    assert len(secret) == 64
    seen = ledger.lab.on("app1", "sh", "-c", "ps axww; journalctl --no-pager -o cat; cat /var/log/pgbackrest/*").stdout
    assert secret not in seen
    modes = ledger.lab.on("app1", "sh", "-c", "stat -c '%a %U %G' /etc/longshore/ledger/pgbackrest/*.conf").stdout
    assert set(modes.splitlines()) == {"640 root postgres"}
