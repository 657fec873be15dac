# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup that becomes a file here: whole, for its owner alone, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from longshore.runs import downloads

CONTENT = b"rows" * 300_000


def sender(tmp_path: Path, *, told: int = len(CONTENT), code: int = 0, words: str = "") -> list[str]:
    """A command that sends the content, and says on standard error what it was."""
    (tmp_path / "content").write_bytes(CONTENT)
    answer = {"bytes": told, "sha256": hashlib.sha256(CONTENT).hexdigest(), "ending": "dump"}
    script = f"cat {tmp_path}/content; echo 'a warning' >&2; echo '{words or json.dumps(answer)}' >&2; exit {code}"
    return ["sh", "-c", script]


def fetch(tmp_path: Path, argv: list[str], target: str) -> dict[str, Any]:
    """Bring it to a place in the directory ``here``."""
    (tmp_path / "here").mkdir(exist_ok=True)
    path, bare = downloads.place(f"{tmp_path}/here/{target}", "shop-main-1")
    counts: list[int] = []
    told = downloads.fetch(argv, path, bare=bare, seen=counts.append)
    assert counts[-1] == len(CONTENT)
    return told


@pytest.mark.parametrize(("target", "name"), [("mine", "mine"), ("", "shop-main-1.dump")])
def test_a_file_is_there_with_its_checksum(tmp_path: Path, target: str, name: str) -> None:
    told = fetch(tmp_path, sender(tmp_path), target)
    file = tmp_path / "here" / name
    assert told["file"] == str(file)
    assert file.read_bytes() == CONTENT
    assert sorted(path.name for path in file.parent.iterdir()) == [name, f"{name}.sha256"]
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}
    subprocess.run(["sha256sum", "-c", "--strict", f"{name}.sha256"], cwd=file.parent, check=True)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"code": 1, "words": "the disk is full"}, "the disk is full"),
        ({"code": 255, "words": "no route"}, "could not be reached"),
        ({"told": 5}, "1200000 bytes came of 5"),
    ],
)
def test_what_is_not_whole_is_not_there(tmp_path: Path, more: dict[str, Any], why: str) -> None:
    with pytest.raises(downloads.DownloadError, match=why):
        fetch(tmp_path, sender(tmp_path, **more), "mine")
    assert not list((tmp_path / "here").iterdir())


def test_whoever_stops_it_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()

    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        downloads.fetch(["yes"], tmp_path / "here/mine", bare=False, seen=stop)
    assert not list((tmp_path / "here").iterdir())


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    (tmp_path / "shop-main-1.dump").touch()
    for target in (f"{tmp_path}/mine", str(tmp_path)):
        with pytest.raises(downloads.DownloadError, match="is there already"):
            downloads.place(target, "shop-main-1")
    with pytest.raises(downloads.DownloadError, match="no directory"):
        downloads.place(f"{tmp_path}/nowhere/mine", "shop-main-1")


def test_who_keeps_the_backups_is_found_on_the_server(tmp_path: Path) -> None:
    """The program is entered as whoever it runs as; where there is none, that is said."""
    argv = downloads.command("shop", "shop-main", label="a", at="")
    assert argv[-2:] == ["--set", "a"]
    assert argv[4:6] == ["/etc/longshore/shop/pgbackrest/backups.json", "/etc/longshore/shop/restic/backups.json"]
    done = subprocess.run([sys.executable, *argv[1:]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "nothing keeps backups of shop-main on this server yet: longshore up\n",
    )
    settings = tmp_path / "backups.json"
    settings.write_text(json.dumps({"program": "keeper.py", "user": "root", "stanzas": {"shop-main": {}}}))
    script = argv[2].replace("os.execv(", "print(")
    words = [sys.executable, "-c", script, "shop-main", f"{tmp_path}/none", str(settings), "--set", "a"]
    told = subprocess.run(words, capture_output=True, text=True, check=False, env=dict(os.environ)).stdout
    assert f"'keeper.py', '{settings}', 'download', 'shop-main', '--set', 'a'" in told
