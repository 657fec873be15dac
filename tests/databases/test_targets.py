# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that are kept on a server that is none of the stack's: here the client's, by SFTP."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from stack.support import longshore

from .conftest import Ledger
from .test_backups import listed, restored
from .test_postgresql import sql

PLACE = "/home/keeper/backups"


@pytest.fixture
def keeper(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The section ``repository`` for a user of the client's who has an empty directory."""
    lab = ledger.lab
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    public = (tmp_path / "key.pub").read_text().strip()
    script = (
        "id keeper >/dev/null 2>&1 || useradd -m keeper; rm -rf /home/keeper/*; "
        f"install -d -o keeper -m 700 /home/keeper/.ssh {PLACE}; "
        f"echo '{public}' > /home/keeper/.ssh/authorized_keys; cat /etc/ssh/ssh_host_ed25519_key.pub"
    )
    kind, key = lab.on("client", "sh", "-c", script).stdout.split()[:2]
    (tmp_path / "known_hosts").write_text(f"{lab.address('client')} {kind} {key}\n")
    monkeypatch.setenv("KEEPERS_KEY", (tmp_path / "key").read_text())
    return {
        "type": "sftp",
        "host": lab.address("client"),
        "user": "keeper",
        "ssh_key": "{{ lookup('env', 'KEEPERS_KEY') }}",
        "known_hosts": str(tmp_path / "known_hosts"),
        "path": PLACE,
    }


def test_backups_are_kept_on_another_server(ledger: Ledger, keeper: dict[str, Any]) -> None:
    def change(content: dict[str, Any]) -> None:
        content["backups"] = {"repository": keeper}

    with ledger.stack.changed(change):
        done = longshore(ledger.stack, "up")
        assert done.code == 0, done.end
        # A database that had tables and has none any more is not proved, so this one stays.
        text = "create table if not exists elsewhere as select n from generate_series(1, 100) n"
        sql(ledger, ledger.primary(), text, "main")
        made = longshore(ledger.stack, "backup", "now")
        assert made.code == 0, made.end
        newest = {database: listed(ledger, database)["backups"][-1] for database in ("main", "books", "cache")}
        assert all(backup["proved"] is True for backup in newest.values())
        places = [f"{PLACE}/backup/ledger-main/{newest['main']['label']}"]
        places += [f"{PLACE}/restic/snapshots/{newest[database]['label']}*" for database in ("books", "cache")]
        ledger.lab.on("client", "sh", "-c", " && ".join(f"test -e {place}" for place in places))
        back = longshore(ledger.stack, "backup", "restore", "main", "elsewhere")
        assert back.code == 0, back.end
        try:
            assert restored(ledger, "elsewhere", "select count(*) from elsewhere") == "100"
        finally:
            assert longshore(ledger.stack, "backup", "drop", "elsewhere").code == 0
        lines = (Path(keeper["known_hosts"]).parent / "key").read_text().splitlines()
        seen = ledger.lab.on(
            "app1", "sh", "-c", "ps axww; journalctl --no-pager -o cat; cat /var/log/pgbackrest/*"
        ).stdout
        assert lines[2] not in seen + done.everything + made.everything
    back = longshore(ledger.stack, "up")
    assert back.code == 0, back.end
    assert longshore(ledger.stack, "backup", "list").code == 0
