# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL of 2 GB that is backed up and restored, and one that serves a load while a replica is added."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from databases.conftest import SERVERS, Ledger
from databases.test_backups import REPORTS
from databases.test_postgresql import sql
from stack.support import Outcome, longshore, until

from ..conftest import LONG, Campaign

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not LONG, reason="long form only")]
BIN = "/usr/lib/postgresql/17/bin"
# Rows of some 135 bytes, of which no two are alike: pgbench's are blanks mostly, and next to nothing once compressed.
PARTS, ROWS = 10, 1_550_000
LARGE = (
    "insert into large select n, md5(n::text) || md5((n * 7)::text) || md5((n * 13)::text) "
    "from generate_series({}, {}) n"
)
# One of pgbench's scale has 100,000 rows, which with their index take 15 MB.
SCALE_OF_A_GIGABYTE = 69
PROGRESS = re.compile(r"progress: ([\d.]+) s, ([\d.]+) tps, .*?, (\d+) failed")
CONFIG = "/etc/longshore/ledger/pgbackrest"
AS_OWNER = ("runuser", "-u", "postgres", "--")


@contextmanager
def filled(ledger: Ledger, scale: int) -> Iterator[None]:
    """Have pgbench's tables in the database while the block runs."""
    primary = ledger.primary()
    # Who made them may be another one than who uses them.
    ledger.lab.on(primary, *AS_OWNER, f"{BIN}/pgbench", "-i", "-q", "-s", str(scale), "main")
    sql(ledger, primary, "grant all on all tables in schema public to main; checkpoint", "main")
    try:
        yield
    finally:
        tables = ", ".join(f"pgbench_{name}" for name in ("accounts", "branches", "tellers", "history"))
        sql(ledger, ledger.primary(), f"drop table {tables}", "main")


@contextmanager
def large(ledger: Ledger) -> Iterator[None]:
    """Have a table of 2 GB in the database while the block runs."""
    sql(ledger, ledger.primary(), "create table large (n bigint, text text)", "main")
    for part in range(PARTS):
        sql(ledger, ledger.primary(), LARGE.format(part * ROWS, (part + 1) * ROWS - 1), "main")
    sql(ledger, ledger.primary(), "checkpoint", "main")
    try:
        yield
    finally:
        sql(ledger, ledger.primary(), "drop table large", "main")


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    """How many seconds it took, and what it gave."""
    began = time.monotonic()
    given = act()
    return time.monotonic() - began, given


def well(outcome: Outcome) -> Outcome:
    """The same, when it went well."""
    assert outcome.code == 0, outcome.end
    return outcome


def test_a_large_database_is_backed_up_and_restored_as_fast_as_by_pgbackrest(
    ledger: Ledger, campaign: Campaign
) -> None:
    """Turn by turn, whole backups, from the same servers into the same place."""
    on, stack = ledger.lab.on, ledger.stack
    bare = (*AS_OWNER, "pgbackrest", f"--config={CONFIG}/pgbackrest.conf", "--stanza=ledger-main")
    scratch = f"{REPORTS}/bare"
    found: dict[str, list[float]] = {name: [] for name in ("backup", "bare_backup", "restore", "bare_restore", "proof")}
    with large(ledger):
        size = int(sql(ledger, ledger.primary(), "select pg_database_size('main')"))
        for _ in range(3):
            # Whatever makes backups by itself, and its proof, is waited for.
            lock = ("flock", f"{REPORTS}/ledger-main.lock")
            words = (*lock, *bare, "--archive-timeout=60", "--type=full", "backup")
            found["bare_backup"].append(timed(lambda words=words: on("app1", *words))[0])
            seconds, _ = timed(lambda: well(longshore(stack, "backup", "now", "main", "--full")))
            told = longshore(stack, "backup", "info", "main", "--json").json["data"]["database_backup"]["backup"]
            found["proof"].append(told["proof"]["seconds"])
            found["backup"].append(seconds - told["proof"]["seconds"])
            found["bare_restore"].append(timed(lambda: restored_bare(ledger, scratch))[0])
            on("app1", *AS_OWNER, f"{BIN}/pg_ctl", "-D", f"{scratch}/data", "-m", "immediate", "stop")
            on("app1", "rm", "-r", scratch)
            found["restore"].append(timed(lambda: well(longshore(stack, "backup", "restore", "main", "large")))[0])
            well(longshore(stack, "backup", "drop", "large"))
    medians = {f"{name}_seconds": round(statistics.median(each), 1) for name, each in found.items()}
    campaign.record(
        "soak-databases-backup",
        {
            "megabytes": size >> 20,
            **medians,
            "backup_over_bare": round(medians["backup_seconds"] / medians["bare_backup_seconds"], 2),
            "restore_over_bare": round(medians["restore_seconds"] / medians["bare_restore_seconds"], 2),
            "all": {name: [round(each, 1) for each in several] for name, several in found.items()},
        },
    )


def restored_bare(ledger: Ledger, place: str) -> None:
    """What somebody does by hand: restore, start, and count the rows."""
    on = ledger.lab.on
    on("app1", *AS_OWNER, "mkdir", "-m", "0700", place, f"{place}/data")
    words = ("pgbackrest", f"--config={CONFIG}/restore.conf", "--stanza=ledger-main", f"--pg1-path={place}/data")
    on("app1", *AS_OWNER, *words, "--archive-mode=off", "restore")
    given = {"listen_addresses": "", "ssl": "off", "shared_preload_libraries": "", "synchronous_standby_names": ""}
    given |= {"logging_collector": "off", "hot_standby": "off", "unix_socket_directories": place, "port": "5432"}
    given |= {"shared_buffers": "64MB", "hba_file": f"{place}/pg_hba.conf"}
    on("app1", "sh", "-c", f"echo local all all trust > {place}/pg_hba.conf")
    options = " ".join(f"-c {name}='{value}'" for name, value in given.items())
    start = (f"{BIN}/pg_ctl", "-D", f"{place}/data", "-l", f"{place}/log", "-w", "-t", "600", "-o", options, "start")
    on("app1", *AS_OWNER, *start)
    ask = (*AS_OWNER, "psql", "-XAt", "-h", place, "-d", "main", "-c")
    until(lambda: on("app1", *ask, "select 1", check=False).stdout.strip() == "1", 600, "it serves")
    on("app1", *ask, "select count(*) from large")


class Bench:
    """A load of pgbench from a server of the stack on the primary, at a rate that leaves the machine room."""

    def __init__(self, ledger: Ledger, server: str, rate: int) -> None:
        self.ledger, self.server, self.rate = ledger, server, rate
        self.log = "/tmp/pgbench.log"

    def begin(self) -> None:
        """Let it begin."""
        address = self.ledger.lab.described["hosts"][self.ledger.primary()]["private"]["v4"]
        user, secret = self.ledger.login("main")
        words = f"{BIN}/pgbench -n -c 8 -j 2 -T 3600 -P 1 -R {self.rate} 'host={address} user={user} dbname=main'"
        environment = f"PGPASSWORD={secret} PGSSLMODE=require"
        self.ledger.lab.on(self.server, "sh", "-c", f"{environment} nohup {words} > {self.log} 2>&1 &")

    def seconds(self) -> list[tuple[float, int]]:
        """Of each second so far, transactions and those that failed."""
        text = self.ledger.lab.on(self.server, "cat", self.log).stdout
        assert "aborted" not in text, text[-2000:]
        return [(float(tps), int(failed)) for _at, tps, failed in PROGRESS.findall(text)]

    def end(self) -> None:
        """End it."""
        self.ledger.lab.on(self.server, "pkill", "-INT", "pgbench", check=False)


def lowest(seconds: list[tuple[float, int]], width: int) -> float:
    """The fewest transactions a second in any so many seconds."""
    sums = [statistics.mean(tps for tps, _ in seconds[at : at + width]) for at in range(len(seconds) - width + 1)]
    return min(sums)


def test_a_replica_is_added_under_load(ledger: Ledger, campaign: Campaign) -> None:
    primary = ledger.primary()
    other, leaving = (name for name in SERVERS if name != primary)
    bench, width = Bench(ledger, other, 150), 5

    with filled(ledger, SCALE_OF_A_GIGABYTE):
        well(longshore(ledger.stack, "db", "remove", "main", leaving))
        bench.begin()
        try:
            until(lambda: len(bench.seconds()) >= 40, 120, "a load before")
            before = bench.seconds()
            took, _ = timed(lambda: (well(longshore(ledger.stack, "up")), ledger.await_whole("main")))
            during = bench.seconds()[len(before) :]
        finally:
            bench.end()
    usual = statistics.mean(tps for tps, _ in before[10:])
    fewest = lowest(during, width)
    campaign.record(
        "soak-databases-replica",
        {
            "rate": bench.rate,
            "seconds": round(took, 1),
            "transactions_a_second_before": round(usual, 1),
            "transactions_a_second_during": round(statistics.mean(tps for tps, _ in during), 1),
            f"fewest_in_{width}_seconds": round(fewest, 1),
            "dip_percent": round(100 * (1 - fewest / usual), 1),
            "failed": sum(failed for _, failed in during),
        },
    )
    assert not sum(failed for _, failed in during)
