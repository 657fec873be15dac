# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data on a disk of their own: never made anew where it is not mounted, and moved while rows are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from stack.support import longshore

from .conftest import DISK, FAST, SERVERS, Ledger
from .test_postgresql import started

OTHER = "/mnt/other"
# Database -> where programs find its data.
PATHS = {
    "main": "/var/lib/postgresql/17/ledger-main",
    "books": "/var/lib/mariadb/ledger-books",
    "cache": "/var/lib/valkey/ledger-cache",
    "queue": "/var/lib/rabbitmq/ledger-queue",
}
KINDS = {"main": "", "books": "books", "cache": "store", "queue": "queue"}
# A disk that is away after a restart of the server, and what would then be found and done.
AWAY = """
systemctl stop mnt-fast.mount
sed -i '\\| /mnt/fast |d' /etc/fstab
systemctl daemon-reload
systemctl start patroni@ledger-main && echo STARTED
findmnt -n /mnt/fast
ls -A /mnt/fast /var/lib/postgresql/17/ledger-main
"""

CLEAN = """
rm -r /mnt/fast/*/*.moved-* /mnt/other/* /var/lib/*/*.moved-*
systemctl stop mnt-other.mount
sed -i '\\| /mnt/other |d' /etc/fstab
systemctl daemon-reload
rmdir /mnt/other
"""


def test_the_data_are_on_their_disk(ledger: Ledger) -> None:
    for server in SERVERS:
        found = ledger.lab.on(server, "stat", "-c", "%U %a", PATHS["main"], f"{FAST}/ledger-main/postgresql-17")
        assert found.stdout.split("\n")[:2] == ["postgres 700"] * 2
        assert holds(ledger, server, FAST, "main")


def test_what_is_not_mounted_is_not_made_anew(ledger: Ledger) -> None:
    server = next(name for name in SERVERS if name != ledger.primary())
    try:
        found = ledger.lab.on(server, "sh", "-c", AWAY, check=False).stdout
        assert found.split() == ["/mnt/fast:", "/var/lib/postgresql/17/ledger-main:"], found
        refused = longshore(ledger.stack, "up")
        assert refused.code == 1, refused.end
        assert f"is {FAST} not mounted? Nothing was made in its place" in refused.everything
        assert ledger.lab.on(server, "ls", "-A", FAST, PATHS["main"]).stdout.split() == found.split()
    finally:
        ledger.lab.on(server, "sh", "-c", DISK.format(FAST))
    # Which mounts what it needs.
    ledger.lab.on(server, "systemctl", "start", "patroni@ledger-main")
    ledger.await_whole("main")


def test_a_place_that_is_not_fit_is_refused_before_anything_moves(ledger: Ledger) -> None:
    """It is in memory on one of the servers, where all would be lost, and not there on the others."""
    since = {server: started(ledger, server) for server in SERVERS}
    server = SERVERS[-1]
    ledger.lab.on(server, "sh", "-c", f"mkdir {OTHER} && mount -t tmpfs none {OTHER}")
    try:
        with ledger.stack.changed(lambda content: content["databases"]["main"].update(directory=OTHER)):
            refused = longshore(ledger.stack, "plan")
        assert refused.code == 1, refused.end
        assert "it is in memory" in refused.everything, refused.end
    finally:
        ledger.lab.on(server, "sh", "-c", f"umount {OTHER} && rmdir {OTHER}")
    assert {server: started(ledger, server) for server in SERVERS} == since


@pytest.fixture
def disks(ledger: Ledger) -> Iterator[Ledger]:
    """Servers with two disks. What was moved away from them and back is removed afterwards, as the manual says."""
    for server in SERVERS:
        ledger.lab.on(server, "sh", "-c", DISK.format(OTHER))
    yield ledger
    for server in SERVERS:
        ledger.lab.on(server, "sh", "-c", CLEAN)


@pytest.mark.long
def test_data_move_while_rows_are_written(disks: Ledger) -> None:
    ledger = disks

    def elsewhere(content: dict[str, Any]) -> None:
        content["databases"]["main"]["directory"] = OTHER
        for name in ("books", "cache", "queue"):
            content["databases"][name]["directory"] = FAST

    for name, kind in KINDS.items():
        ledger.begin(f"moved-{name}", kind)
    with ledger.stack.changed(elsewhere):
        foreseen = longshore(ledger.stack, "plan")
        assert foreseen.code == 2, foreseen.end
        # Of replicas, then of the primary; a RabbitMQ has neither.
        assert foreseen.everything.count("move from") == 2 * len(PATHS) - 1, foreseen.end
        done = longshore(ledger.stack, "up")
        assert done.code == 0, done.end
        # The former data are told.
        assert f"{FAST}/ledger-main/postgresql-17.moved-" in done.everything, done.end
        assert f"{PATHS['books']}.moved-" in done.everything, done.end
        ledger.await_whole()
        for server in SERVERS:
            assert holds(ledger, server, OTHER, "main")
            assert all(holds(ledger, server, FAST, name) for name in ("books", "cache", "queue"))
        again = longshore(ledger.stack, "up", "--json")
        assert again.code == 0, again.end
        assert not again.json["changes"], again.json["changes"]
    back = longshore(ledger.stack, "up")
    assert back.code == 0, back.end
    ledger.await_whole()
    for server in SERVERS:
        assert holds(ledger, server, FAST, "main")
        assert not any(holds(ledger, server, FAST, name) for name in ("books", "cache", "queue"))
    for name in KINDS:
        ledger.end(f"moved-{name}")


def holds(ledger: Ledger, server: str, disk: str, name: str) -> bool:
    """Whether what programs find as the data of a database is what lies on a disk."""
    there = f"{disk}/ledger-{name}/{'postgresql-17' if name == 'main' else '*'}"
    words = f'[ "$(stat -c %d:%i {PATHS[name]})" = "$(stat -c %d:%i {there} | head -n 1)" ]'
    return ledger.lab.on(server, "sh", "-c", words, check=False).returncode == 0
