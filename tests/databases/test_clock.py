# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock of the primary's server jumps, an hour forth and an hour back: it stays primary, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from stack.support import longshore, until

from .conftest import SERVERS, Ledger
from .test_disk import make_primary, primary_of

pytestmark = pytest.mark.long
# Who decides, and PostgreSQL, which Patroni starts. etcd is linked so that nothing can be put before it, and the shell
# that starts a Valkey doesn't come to its end with another clock.
UNITS = ("patroni@ledger-main", "mariadb-promoter@ledger-books", "valkey-sentinel")
DATABASES = ("main", "books", "cache")
# Seconds, beyond those of Patroni's lease, the longest.
LEASES = 40.0
CLOCK = "/run/longshore-clock"
# The servers are containers, whose clock is the machine's: libfaketime gives these programs another one.
FAKED = f"""
[Service]
Environment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1 FAKETIME_TIMESTAMP_FILE={CLOCK}
Environment=FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1
"""
INSTALL = "apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends libfaketime"


def restart(ledger: Ledger, server: str) -> None:
    """Restart them on a server that is primary of none."""
    ledger.lab.on(server, "systemctl", "daemon-reload")
    for unit in UNITS:
        ledger.lab.on(server, "systemctl", "restart", unit)
    ledger.await_whole()


@pytest.fixture
def clocked(ledger: Ledger) -> Iterator[str]:
    """A server whose clock can be set, and that is primary of all."""
    server = SERVERS[-1]
    for name in DATABASES:
        if primary_of(ledger, name) == server:
            assert longshore(ledger.stack, "db", "switchover", name).code == 0
            ledger.await_whole(name)
    ledger.lab.on(server, "sh", "-ec", f"{INSTALL}; echo +0 > {CLOCK}; chmod 644 {CLOCK}")
    try:
        for unit in UNITS:
            directory = f"/etc/systemd/system/{unit}.service.d"
            script = f"mkdir -p {directory}; printf %s '{FAKED}' > {directory}/clock.conf"
            ledger.lab.on(server, "sh", "-ec", script)
        restart(ledger, server)
        for name in DATABASES:
            make_primary(ledger, name, server)
        yield server
        for name in DATABASES:
            if primary_of(ledger, name) == server:
                assert longshore(ledger.stack, "db", "switchover", name).code == 0
                ledger.await_whole(name)
    finally:
        for unit in UNITS:
            ledger.lab.on(server, "rm", "-f", f"/etc/systemd/system/{unit}.service.d/clock.conf")
        restart(ledger, server)


def seen(ledger: Ledger, server: str) -> int:
    """The time that its PostgreSQL has, in seconds since 1970."""
    words = ("runuser", "-u", "postgres", "--", "psql", "-XAt", "-c", "select extract(epoch from now())::bigint")
    return int(ledger.lab.on(server, *words).stdout)


def test_a_clock_that_jumps_makes_nobody_else_primary(ledger: Ledger, clocked: str) -> None:
    ledger.begin("clock")
    ledger.begin("clock-store", "store")
    ledger.begin("clock-books", "books")
    for jump, hours in (("+1h", 1), ("-1h", -1), ("+0", 0)):
        before = int(ledger.lab.on("client", "date", "+%s").stdout)
        ledger.lab.on(clocked, "sh", "-c", f"echo {jump} > {CLOCK}")
        until(lambda wanted=before + hours * 3600: abs(seen(ledger, clocked) - wanted) < 60, 30, "its clock is set")  # type: ignore[misc]
        ends = time.monotonic() + LEASES
        until(lambda end=ends: time.monotonic() > end, LEASES + 5, "all leases would have ended")  # type: ignore[misc]
        for table, kind in (("clock", ""), ("clock-store", "store"), ("clock-books", "books")):
            ledger.await_more(table, 10, kind)
        assert {primary_of(ledger, name) for name in DATABASES} == {clocked}, jump
    reports = [ledger.end("clock"), ledger.end_store("clock-store"), ledger.end("clock-books")]
    assert all(report["longest"] < 5 for report in reports), reports
    assert longshore(ledger.stack, "db", "status").code == 0
