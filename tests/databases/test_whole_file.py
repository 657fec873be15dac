# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole configuration files, one of each engine that takes one, rendered with each server's figures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from stack.support import longshore

from .conftest import SERVERS, Ledger
from .test_mariadb import sql as books_sql
from .test_postgresql import sql
from .test_stores import valkey
from .with_changes.said import on_all
from .with_changes.test_versions import differing, history

TEMPLATES = {
    "main": "shared_buffers {{ settings.shared_buffers }}\nmaintenance_work_mem = '77MB' # mine\nwal_compression on\n",
    "books": (
        "# Mine\n[mariadbd]\ninnodb_log_file_size = {{ settings.innodb_log_file_size }}\nmax-connections=77\n"
        "event_scheduler = ON\nrequire_secure_transport = OFF\n"
    ),
    "cache": "maxmemory {{ settings.maxmemory }}\nsave 900 7\nsave 300 77\nport 6380\n",
    "queue": "vm_memory_high_watermark.absolute = {{ 300 * 1000 * 1000 }}\ndisk_free_limit.absolute = 512MB\n",
}
# Database -> a line that its engine refuses, the place of it, and a file that it must not get into.
REFUSED = {
    "main": ("work_mem = much", "main.j2:4: ", "/etc/patroni/ledger-main.yml"),
    "books": ("max_conections = 5", "books.j2:7: ", "/etc/mysql/instances/ledger-books.cnf"),
    "cache": ("maxmemory-policy forget", "cache.j2:5: ", "/etc/valkey/ledger-cache.conf"),
    "queue": ("heartbeat = often", "queue.j2:3: ", "/etc/rabbitmq/instances/ledger-queue.conf"),
}


@contextlib.contextmanager
def templates(ledger: Ledger, texts: dict[str, str]) -> Iterator[None]:
    """The file with these templates, by database; afterwards those have the texts that they had."""
    places = {database: ledger.stack.path.parent / f"{database}.j2" for database in texts}
    before = {database: place.read_text() for database, place in places.items() if place.exists()}

    def change(content: dict[str, Any]) -> None:
        for database, text in texts.items():
            places[database].write_text(text)
            content["databases"][database]["template"] = f"{database}.j2"

    with ledger.stack.changed(change):
        yield
    for database, text in before.items():
        places[database].write_text(text)


def test_a_template_is_compared_like_settings_and_a_wrong_name_has_its_place(ledger: Ledger) -> None:
    with templates(ledger, {"main": TEMPLATES["main"], "books": TEMPLATES["books"]}):
        asked = longshore(ledger.stack, "config", "diff", "--json")
    assert asked.code == 2, asked.end
    told = differing(asked)
    assert {each[4] for each in told if each[:3:2] == ("books", "max_connections")} == {"77"}
    assert {each[4] for each in told if each[:3:2] == ("main", "maintenance_work_mem")} == {"77MB"}
    assert not {"shared_buffers", "innodb_log_file_size", "require_secure_transport"} & {each[2] for each in told}
    with templates(ledger, {"books": "[mariadbd]\nport = {{ prot }}\n"}):
        unread = longshore(ledger.stack, "up")
    assert unread.code == 3, unread.end
    assert "books.j2:2:1: there is no prot" in unread.everything


@pytest.mark.long
def test_a_whole_file_rules_but_for_what_failover_needs(ledger: Ledger) -> None:
    before = history(ledger, "books")[0]
    with templates(ledger, TEMPLATES):
        done = longshore(ledger.stack, "up")
        assert done.code == 0, done.end
        ledger.await_whole()
        told = on_all(ledger)
        assert (told["books.max"], told["queue.memory"]) == (["77"], ["300000000"])
        for server in SERVERS:
            assert sql(ledger, server, "show maintenance_work_mem") == "77MB"
            assert sql(ledger, server, "show ssl") == "on"
            assert valkey(ledger, server, "config get save").split("\n")[-1] == "900 7 300 77"
            assert valkey(ledger, server, "config get port").split("\n")[-1] == "0"
            assert books_sql(ledger, server, "select @@global.require_secure_transport, @@port") == "1\t3306"
        assert books_sql(ledger, ledger.books_primary(), "select @@global.event_scheduler") == "ON"
        still = longshore(ledger.stack, "up", "--json")
        assert still.json["changes"] == []
        for database, (line, place, path) in REFUSED.items():
            with templates(ledger, {database: f"{TEMPLATES[database]}{line}\n"}):
                refused = longshore(ledger.stack, "up")
            assert refused.code == 1, refused.end
            assert place in refused.everything, refused.end
            assert line not in ledger.lab.on(SERVERS[0], "cat", path).stdout
    # What there was before the template.
    back = longshore(ledger.stack, "config", "revert", "books", str(before["number"]))
    assert back.code == 0, back.end
    ledger.await_whole("books")
    assert on_all(ledger)["books.max"] == [before["servers"][SERVERS[0]]["max_connections"]]
    assert longshore(ledger.stack, "up").code == 0
    ledger.await_whole()
