# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a bucket of S3, whose service has a certificate of an authority that the stack file names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from stack.support import Outcome, longshore

from ..test_backups import restored
from .conftest import MARK, RATE, First


@pytest.mark.parametrize(("database", "place"), [("main", "backup/ledger-main/{}/"), ("books", "restic/snapshots/{}")])
def test_backups_are_kept_in_a_bucket(first: First, database: str, place: str) -> None:
    newest = first.newest[database]
    assert newest["proved"] is True
    assert first.bucket.holds(place.format(newest["label"]))
    assert not first.bucket.holds(place.format("another"))


def test_the_keys_secret_is_not_seen(first: First) -> None:
    script = "ps axww; journalctl --no-pager -o cat; cat /var/log/pgbackrest/*"
    seen = first.ledger.lab.on("app1", "sh", "-c", script).stdout
    assert first.bucket.secret not in seen + first.up.everything + first.now.everything


def test_a_limit_is_kept(first: First) -> None:
    """By the first backup, of which nothing was there before."""
    told = longshore(first.ledger.stack, "backup", "info", "books", first.labels("books")[0], "--json").json
    found = told["data"]["database_backup"]["backup"]
    assert found["seconds"] >= 0.9 * found["size"] / RATE, found


def test_what_is_backed_up_no_more_has_no_timer(first: First) -> None:
    """Its backups stay, and ``up`` says so."""
    units = "systemctl list-unit-files --no-legend 'longshore-backup-ledger-*' | cut -d' ' -f1 | sort"
    left = first.ledger.lab.on("app1", "sh", "-c", units).stdout.split()
    names = ("books", "main", "queue")
    assert left == [f"longshore-backup-ledger-{name}.{kind}" for name in names for kind in ("service", "timer")]
    assert "/var/lib/longshore/ledger/backups " in first.up.output.partition("Data stays:")[2]
    first.ledger.lab.on("app1", "test", "-s", "/var/lib/longshore/ledger/backups/restic/config")
    refused = longshore(first.ledger.stack, "backup", "now", "cache")
    assert refused.code == 3, refused.end


def test_all_is_told_of_a_backup(first: First) -> None:
    whole, part = first.labels("main")
    told = longshore(first.ledger.stack, "backup", "info", "main")
    assert told.code == 0, told.end
    lines = dict(line.split("  ", 1) for line in told.output.splitlines() if line and not line.startswith(" "))
    assert (lines["BACKUP"].strip(), lines["needs"].strip()) == (f"{part}, incr", whole)
    assert lines["proof"].endswith(": good")
    assert "(RTO); lost " in told.output


@pytest.mark.parametrize(
    ("database", "read"),
    [
        ("main", ["pg_restore", "--file=-"]),
        pytest.param("books", ["gunzip", "--stdout"], marks=pytest.mark.long),
    ],
)
def test_a_backup_is_a_file_here(first: First, database: str, read: list[str], tmp_path: Path) -> None:
    label = first.labels(database)[-1]
    done = longshore(first.ledger.stack, "backup", "download", database, label, str(tmp_path), "--json")
    assert done.code == 0, done.end
    file = Path(done.json["download"]["file"])
    assert file.name.startswith(f"ledger-{database}-{label}.")
    assert file.stat().st_mode & 0o777 == 0o600
    subprocess.run(["sha256sum", "-c", f"{file.name}.sha256"], cwd=tmp_path, check=True)
    container = first.ledger.lab.described["hosts"]["app1"]["container"]
    with file.open("rb") as opened:
        call = ["docker", "exec", "-i", container, *read]
        text = subprocess.run(call, stdin=opened, capture_output=True, check=True).stdout.decode()
    assert MARK in text
    assert done.json["download"]["rows"]
    place = "/var/lib/longshore/ledger/backup-reports*/downloads"
    assert not first.ledger.lab.on("app1", "sh", "-c", f"ls {place} | grep '^[0-9]' || true").stdout
    again = longshore(first.ledger.stack, "backup", "download", database, str(file))
    assert again.code == 3, again.end


def test_a_copy_serves_while_the_bucket_is_away(first: First) -> None:
    stack, lab = first.ledger.stack, first.ledger.lab
    lab.on("client", "pkill", "-STOP", "-x", "weed")
    try:
        told = longshore(stack, "backup", "list", "main", "books", "--from", "near", "--json")
        assert told.code == 0, told.end
        for name in ("main", "books"):
            found = told.json["data"]["database_backup"]["backups"][f"ledger-{name}"]["backups"]
            assert found[-1]["label"] == first.newest[name]["label"]
            assert any(each["proved"] for each in found), "no proof was made of what the copy holds"
        back = longshore(stack, "backup", "restore", "main", "nearby", "--from", "near")
        assert back.code == 0, back.end
        try:
            assert restored(first.ledger, "nearby", "select place from bucketed") == MARK
        finally:
            assert longshore(stack, "backup", "drop", "nearby").code == 0
    finally:
        lab.on("client", "pkill", "-CONT", "-x", "weed")
    unknown = longshore(stack, "backup", "restore", "main", "nearby", "--from", "far")
    assert unknown.code == 3, unknown.end


@pytest.mark.long
def test_a_backup_goes_only_when_it_is_named_and_needed_by_none(first: First) -> None:
    whole, part = first.labels("main")

    def delete(*words: str) -> Outcome:
        return longshore(first.ledger.stack, "backup", "delete", *words)

    refused = delete("main", whole, "--yes-delete", whole)
    assert refused.code == 1, refused.end
    assert f"{part} can't be restored without {whole}" in refused.everything
    refused = delete("main", whole, "--with-dependents", "--yes-delete", whole)
    assert refused.code == 1, refused.end
    assert "is the last backup" in refused.everything
    asked = delete("main", part)
    assert asked.code == 3, asked.end
    assert f"This removes {part}" in asked.errors
    assert "Every moment since" in asked.errors
    assert first.labels("main") == [whole, part]
    done = delete("main", part, "--yes-delete", part)
    assert done.code == 0, done.end
    assert not first.bucket.holds(f"backup/ledger-main/{part}/")
    old, new = first.labels("books")
    done = delete("books", old, "--yes-delete", old, "--json")
    assert done.code == 0, done.end
    assert done.json["data"]["database_backup"]["deletion"]["goes"] == [old]
    assert not first.bucket.holds(f"restic/snapshots/{old}")
    good = longshore(first.ledger.stack, "backup", "verify", "main", "books")
    assert good.code == 0, good.end
    assert (first.labels("main"), first.labels("books")) == ([whole], [new])
