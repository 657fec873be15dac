# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A primary whose disk is full: nothing acknowledged is lost, it is told, and all goes on once there is room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from stack.support import longshore, until

from .conftest import SERVERS, Ledger

# By database: what runs an instance, its data, and what the writer calls the database.
INSTANCES = {
    "main": ("patroni@ledger-main", "/var/lib/postgresql/17/ledger-main", ""),
    "books": ("mariadb-promoter@ledger-books mariadb-instance@ledger-books", "/var/lib/mariadb/ledger-books", "books"),
    "cache": ("valkey-server@ledger-cache", "/var/lib/valkey/ledger-cache", "store"),
}
# Megabytes that are left beside an instance's data.
SPARE = 60

SHRINK = """
set -e
systemctl stop {units}
size=$(du -sm {directory} | cut -f1)
mkdir /run/small
mount -t tmpfs -o size=$((size + {spare}))m none /run/small
cp -a {directory}/. /run/small/
chown --reference={directory} /run/small
chmod --reference={directory} /run/small
mount --bind /run/small {directory}
systemctl start {units}
"""
GROW = """
set -e
systemctl stop {units}
umount {directory}
find {directory} -mindepth 1 -delete
cp -a /run/small/. {directory}/
umount /run/small
rmdir /run/small
systemctl start {units}
"""
# To the last byte. It fails when there is none left.
FILL = "fallocate -l $(df --output=avail -B1 {0} | tail -1) {0}/filler; cat /dev/zero > {0}/filler-too"


@contextmanager
def small_disk(ledger: Ledger, name: str, server: str) -> Iterator[str]:
    """Have a replica's data on a small file system of their own while the block runs; gives its directory."""
    units, directory, _kind = INSTANCES[name]
    ledger.lab.on(server, SHRINK.format(units=units, directory=directory, spare=SPARE))
    try:
        ledger.await_whole(name)
        yield directory
    finally:
        ledger.lab.on(server, GROW.format(units=units, directory=directory))


def primary_of(ledger: Ledger, name: str) -> str:
    """The server that is primary of a database; empty when there is none."""
    return {"main": ledger.primary, "books": ledger.books_primary, "cache": ledger.store_primary}[name]()


def synchronous(ledger: Ledger, server: str) -> bool:
    """Whether commits of PostgreSQL wait for a server."""
    return ledger.members().get(server, {}).get("role") == "sync_standby"


def make_primary(ledger: Ledger, name: str, server: str) -> None:
    """Have a replica take over."""
    if name == "main" and not synchronous(ledger, server):
        refused = longshore(ledger.stack, "db", "switchover", name, "--to", server)
        assert refused.code == 1, refused.end
        assert f"{server} may lack what is committed in main" in refused.everything, refused.end
        # Commits wait for another one when the one that they waited for goes away for a moment.
        (other,) = set(SERVERS) - {server, ledger.primary()}
        ledger.lab.on(other, "systemctl", "stop", INSTANCES[name][0])
        until(lambda: synchronous(ledger, server), 60, f"commits wait for {server}")
        ledger.lab.on(other, "systemctl", "start", INSTANCES[name][0])
        ledger.await_whole(name)
    done = longshore(ledger.stack, "db", "switchover", name, "--to", server)
    assert done.code == 0, done.end
    ledger.await_whole(name)
    assert primary_of(ledger, name) == server


@pytest.mark.parametrize(
    "name", ["cache", pytest.param("main", marks=pytest.mark.long), pytest.param("books", marks=pytest.mark.long)]
)
def test_a_full_disk_loses_nothing_and_is_told(ledger: Ledger, name: str) -> None:
    old = primary_of(ledger, name)
    server = next(each for each in SERVERS if each != old)
    table, kind = f"full-{name}", INSTANCES[name][2]
    with small_disk(ledger, name, server) as directory:
        make_primary(ledger, name, server)
        ledger.begin(table, kind)
        ledger.lab.on(server, FILL.format(directory), check=False)
        try:
            if name == "cache":
                until(lambda: primary_of(ledger, name) not in ("", server), 60, "another primary")
                ledger.await_more(table, 60, kind)
            told = longshore(ledger.stack, "db", "status")
            assert told.code == 4, told.end
            assert f"{name}: the disk of {server} is nearly full" in told.output, told.end
        finally:
            ledger.lab.on(server, f"rm {directory}/filler {directory}/filler-too")
        ledger.await_whole(name)
        ledger.await_more(table, 60, kind)
        if kind == "store":
            ledger.end_store(table)
        else:
            ledger.end(table)
        # Whoever is primary now: the small one must be stopped as a replica.
        if primary_of(ledger, name) == server:
            done = longshore(ledger.stack, "db", "switchover", name)
            assert done.code == 0, done.end
    ledger.await_whole(name)
