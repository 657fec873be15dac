# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data that nothing uses any more: shown, and removed by a command that names whose they are."""

from __future__ import annotations

import subprocess

from stack.support import LONGSHORE, longshore

from .conftest import SERVERS, Ledger
from .with_changes.said import processes

# As an upgrade, a database that is in the file no longer, and a copy of a primary's data leave them.
PLACES = {
    "main": "/var/lib/postgresql/15/ledger-main.before-17",
    "gone": "/var/lib/mariadb/ledger-gone",
    "cache": "/var/lib/valkey/ledger-cache/former-20261130-120000",
}


def there(ledger: Ledger) -> set[str]:
    """Which of them there are."""
    script = f"ls -d {' '.join(PLACES.values())} 2>/dev/null || true"
    return set(ledger.lab.on(SERVERS[0], "sh", "-c", script).stdout.split())


def test_what_is_kept_is_shown_and_goes_when_it_is_named(ledger: Ledger) -> None:
    before = processes(ledger)
    for place in PLACES.values():
        ledger.lab.on(SERVERS[0], "sh", "-c", f"mkdir -p {place}/in && head -c 300000 /dev/urandom > {place}/in/file")
    told = longshore(ledger.stack, "db", "kept", "--json").json["databases"]
    found = {(name, each["path"]) for name, servers in told.items() for each in servers[SERVERS[0]]["former"]}
    assert found >= set(PLACES.items())
    assert not [path for _name, path in found if path.endswith(("/ledger-main", "/ledger-books", "/ledger-queue"))]
    words = [str(LONGSHORE), "-f", str(ledger.stack.path), "db", "discard", "main"]
    typed = subprocess.run(words, input="main\n", capture_output=True, text=True, check=False)
    assert typed.returncode == 3, typed.stderr
    assert PLACES["main"] in typed.stderr
    assert "'main' is not ledger/main; nothing was touched" in typed.stderr
    assert there(ledger) == set(PLACES.values())
    for name in PLACES:
        done = longshore(ledger.stack, "db", "discard", name, "--yes-discard", f"ledger/{name}")
        assert done.code == 0, done.end
    assert there(ledger) == set()
    nothing = longshore(ledger.stack, "db", "discard", "gone", "--yes-discard", "ledger/gone")
    assert nothing.code == 3, nothing.end
    assert "nothing is kept of gone" in nothing.everything
    assert processes(ledger) == before
    ledger.await_whole()
