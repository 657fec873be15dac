# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order copies of backups are made, and when nothing goes from one. That they serve is tried elsewhere."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import backup_keeper
from ansible_collections.longshore.stack.plugins.plugin_utils import rclone_config
from programs import program as load

HOUR = 3600.0


@pytest.fixture
def program() -> Any:
    """``copies.py``, as it stands on a server beside ``keeper.py``."""
    return load("roles/pgbackrest/files/copies.py")


@pytest.fixture
def kept(program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A keeper with the backups ``ours``, a copy with ``theirs``, and ``calls``: rclone's verbs and directories."""
    calls: list[str] = []
    held: dict[str, list[str]] = {"": ["one", "two"], "far": []}

    class Kept(program.Copied):  # type: ignore[name-defined,misc]
        """Keeps names only."""

        def known(self, _name: str) -> list[dict[str, Any]]:
            """By name."""
            return [{"label": label, "time": time.time()} for label in held[self.settings.get("copy", "")]]

        def layouts(self) -> list[Any]:
            """A log, and backups."""
            parts = (program.Part("log", ("/info",), always=True), program.Part("backups"))
            return [program.Layout(("shop",), parts, ("log/info",))]

        def proved(self, name: str) -> dict[str, Any]:
            """Good."""
            self.report(name, {"kind": "proof", "began": time.time(), "ok": True, "label": "two"})
            calls.append(f"prove {self.settings.get('copy')}")
            return {}

        begun = begin = make = scratch = forget = lambda *_: None

    def rclone(argv: list[str]) -> str:
        verb = next(word for word in argv if word in ("copy", "copyto", "sync"))
        calls.append(f"{verb} {argv[-1].partition('/far/')[2]}")
        return ""

    monkeypatch.setattr(program, "run", rclone)
    about = {"directory": str(tmp_path), "repository": "", "stanzas": {"shop": {"verify": True, "gap": 24 * HOUR}}}
    (tmp_path / "far.json").write_text(json.dumps({**about, "copy": "far"}))
    copy = {"place": "copy-far:/far", "settings": str(tmp_path / "far.json"), "bandwidth": 1 << 20}
    own = {**about, "rclone": "/etc/rclone.conf", "origin": "repository:/here", "copies": {"far": copy}}
    (tmp_path / "own.json").write_text(json.dumps(own))
    keeper = Kept(str(tmp_path / "own.json"))
    keeper.calls, keeper.held = calls, held
    keeper.report("shop", {"kind": "proof", "began": time.time(), "ok": True, "label": "two"})
    return keeper


ADDED = ["copy log", "copy backups", "copyto log/info"]


def test_what_needs_others_comes_after_them_and_goes_before_them(kept: Any) -> None:
    kept.held["far"] = ["one"]
    kept.copy("far", wait=False)
    assert kept.calls == [*ADDED, "sync backups", "sync log", "prove far"]
    kept.calls.clear()
    kept.copy("far", wait=False)
    assert "prove far" not in kept.calls, "each week is enough"


@pytest.mark.parametrize("proof", [{"ok": False, "label": "two"}, {"ok": True, "label": "one"}])
def test_nothing_goes_while_the_newest_backup_is_not_known_to_be_good(kept: Any, proof: dict[str, Any]) -> None:
    kept.report("shop", {"kind": "proof", "began": time.time(), **proof})
    if proof["ok"]:
        kept.records().joinpath("shop.jsonl").write_text(json.dumps({"kind": "proof", "began": 0, **proof}) + "\n")
    kept.copy("far", wait=False)
    assert kept.calls == ADDED


def test_backups_of_another_repository_are_left_alone(kept: Any) -> None:
    kept.held["far"] = ["former"]
    with pytest.raises(backup_keeper.Failed, match="of another repository, which stay untouched"):
        kept.copy("far", wait=False)
    assert kept.calls == []
    assert "another repository" in kept.state("far")["shop"]["why"]


def test_while_a_backup_is_made_only_the_log_is_copied(kept: Any) -> None:
    with kept.locked("shop"):
        kept.copy("far", wait=False)
    assert kept.calls == ["copy log"]
    assert kept.state("far")["shop"]["at"] is None


def test_a_copy_that_is_behind_or_bad_is_told(kept: Any) -> None:
    kept.begin_all([], arrived=False, check=False)
    assert list(kept.behind("far", "shop")) == []
    kept.note("far", {"shop": {"at": None, "since": time.time() - 3 * HOUR, "why": "no route"}})
    there = type(kept)(kept.copies["far"]["settings"])
    there.report("shop", {"kind": "proof", "began": time.time(), "ok": False, "why": "damaged"})
    told = list(kept.behind("far", "shop"))
    assert told == ["the copy far is 3 h behind: no route", "the copy far: the last proof failed: damaged"]


def test_an_unknown_copy(kept: Any) -> None:
    with pytest.raises(backup_keeper.Failed, match="there is no copy near; there are: far"):
        kept.copy("near", wait=False)


def test_what_rclone_is_told_of_the_places() -> None:
    amazon = {
        "type": "s3",
        "host": "s3.eu-central-1.amazonaws.com",
        "port": 443,
        "bucket": "b",
        "region": "eu-central-1",
        "access_key": "AK",
        "secret_key": "SK",
    }
    keeper = {"type": "sftp", "host": "keeper", "port": 22, "user": "shop"}
    copies = [
        {"name": "far", "target": amazon, "path": "/shop", "bandwidth": 0},
        {"name": "near", "target": keeper, "path": "/srv/shop"},
    ]
    found = rclone_config.copies(copies, {"type": "local"}, "/var/backups", "/etc/x")
    assert found["origin"] == "repository:/var/backups"
    assert found["copies"] == {
        "far": {"place": "copy-far:b/shop", "settings": "/etc/x/copies/far.json", "bandwidth": 0},
        "near": {"place": "copy-near:/srv/shop", "settings": "/etc/x/copies/near.json", "bandwidth": 0},
    }
    assert "\n[repository]\ntype = local\n" in found["text"]
    assert "provider = AWS" in found["text"]
    assert "key_file = /etc/x/copies/near.key" in found["text"]
