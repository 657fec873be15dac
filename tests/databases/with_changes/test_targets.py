# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that are kept on a server that is none of the stack's."""

from __future__ import annotations

import pytest
from stack.support import longshore

from ..test_backups import restored
from .conftest import Second

# One place more, of which tests/databases/test_backups.py and test_buckets.py have two.
pytestmark = pytest.mark.long


def test_backups_are_kept_on_another_server(second: Second) -> None:
    newest, place = second.newest, second.keeper.path
    assert all(backup["proved"] is True for backup in newest.values())
    places = [f"{place}/backup/ledger-main/{newest['main']['label']}"]
    places += [f"{place}/restic/snapshots/{newest[database]['label']}*" for database in ("books", "cache")]
    second.ledger.lab.on("client", "sh", "-c", " && ".join(f"test -e {each}" for each in places))
    back = longshore(second.ledger.stack, "backup", "restore", "main", "elsewhere")
    assert back.code == 0, back.end
    try:
        assert restored(second.ledger, "elsewhere", "select count(*) from elsewhere") == "100"
    finally:
        assert longshore(second.ledger.stack, "backup", "drop", "elsewhere").code == 0


@pytest.mark.parametrize("copy", ["bucket", "keeper"])
def test_copies_are_restored_from(second: Second, copy: str) -> None:
    stack = second.ledger.stack
    told = longshore(stack, "backup", "list", "--from", copy, "--json")
    assert told.code == 0, told.end
    known = told.json["data"]["database_backup"]["backups"]
    for database in ("main", "books", "cache"):
        found = known[f"ledger-{database}"]["backups"]
        assert found[-1]["label"] == second.newest[database]["label"]
    back = longshore(stack, "backup", "restore", "main", copy, "--from", copy)
    assert back.code == 0, back.end
    try:
        assert restored(second.ledger, copy, "select count(*) from elsewhere") == "100"
    finally:
        assert longshore(stack, "backup", "drop", copy).code == 0


def test_the_key_is_not_seen(second: Second) -> None:
    line = second.keeper.key.splitlines()[2]
    script = "ps axww; journalctl --no-pager -o cat; cat /var/log/pgbackrest/*"
    seen = second.ledger.lab.on("app1", "sh", "-c", script).stdout
    assert line not in seen + second.up.everything + second.now.everything
