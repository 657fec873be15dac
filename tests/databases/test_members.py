# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server leaves a database and comes back; the primary serves on."""

from __future__ import annotations

from typing import Any

import pytest
from stack.support import longshore, until

from .conftest import SERVERS, Ledger
from .test_postgresql import started


@pytest.mark.long
def test_a_replica_leaves_and_is_added_again_while_rows_are_written(ledger: Ledger) -> None:
    primary = ledger.primary()
    leaving = next(name for name in reversed(SERVERS) if name != primary)

    if ledger.store_primary() == leaving:
        assert longshore(ledger.stack, "db", "switchover", "cache", "--to", primary).code == 0
        ledger.await_whole("cache")
    if ledger.books_primary() == leaving:
        assert longshore(ledger.stack, "db", "switchover", "books", "--to", primary).code == 0
        ledger.await_whole("books")

    def without(content: dict[str, Any]) -> None:
        for name in ("main", "cache", "books"):
            content["databases"][name]["servers"].remove(leaving)

    refused = longshore(ledger.stack, "db", "remove", "main", primary)
    assert refused.code == 1, refused.end
    assert "primary" in refused.everything
    ledger.begin("members")
    ledger.begin("members-books", "books")
    since = started(ledger, primary)
    with ledger.stack.changed(without):
        forgotten = longshore(ledger.stack, "up")
        assert forgotten.code == 4, forgotten.end
        assert f"{leaving} is still a server of ledger-main" in forgotten.everything
        assert "is still a server of ledger-cache" in forgotten.everything
        assert f"{leaving} is still a server of ledger-books" in forgotten.everything
    removed = longshore(ledger.stack, "db", "remove", "main", leaving)
    assert removed.code == 0, removed.end
    until(lambda: sorted(ledger.members()) == sorted(set(SERVERS) - {leaving}), 60, "it has left")
    assert ledger.lab.on(leaving, "test", "-e", "/var/lib/postgresql/17/ledger-main/PG_VERSION").returncode == 0
    for name in ("cache", "books"):
        left = longshore(ledger.stack, "db", "remove", name, leaving)
        assert left.code == 0, left.end
    assert ledger.lab.on(leaving, "test", "-d", "/var/lib/mariadb/ledger-books/data").returncode == 0
    # One that holds no data any more has no say either.
    staying = sorted(set(SERVERS) - {leaving})
    assert ledger.store_members(staying) == staying
    back = longshore(ledger.stack, "up")
    assert back.code == 0, back.end
    ledger.await_whole()
    for table in ("members", "members-books"):
        report = ledger.end(table)
        assert not report["errors"], report
    assert started(ledger, primary) == since
