# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``destroy`` leaves: all data. Last of these tests."""

from __future__ import annotations

from stack.support import longshore

from .conftest import SERVERS, Ledger
from .test_postgresql import sql


def test_a_destroyed_stacks_data_are_there_when_it_comes_back(ledger: Ledger) -> None:
    sql(ledger, ledger.primary(), "create table if not exists kept as select 42 as answer", "main")
    done = longshore(ledger.stack, "destroy", "--yes-destroy", "ledger", "--cluster")
    assert done.code == 0, done.end
    assert "/var/lib/postgresql/17/ledger-main" in done.everything
    assert "/var/lib/longshore/ledger/backups" in done.everything
    for server in SERVERS:
        assert ledger.lab.on(server, "pgrep", "-x", "postgres", check=False).returncode == 1, "PostgreSQL still runs"
    again = longshore(ledger.stack, "up")
    assert again.code == 0, again.end
    ledger.await_whole()
    assert sql(ledger, ledger.primary(), "select answer from kept", "main") == "42"
    assert longshore(ledger.stack, "backup", "verify", "main").code == 0, "the passphrase is another one"
