# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves the registry is what certainly nobody needs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from programs import program

SCRIPT = "roles/registry/files/sweep-registry.py"
REGISTRY = "registry.longshore.internal:5000"
OURS = "0a1b2c3d4e5f-0123456"
NOW = 1_000_000.0


@pytest.fixture(scope="module")
def sweep() -> Any:
    return program(SCRIPT)


class Storage:
    """A registry's directory, and the lists of the stacks beside it. Images are known by one hexadecimal digit."""

    def __init__(self, root: Path) -> None:
        self.root = root / "data"
        self.lists = root / "lists"
        (self.root / "repositories").mkdir(parents=True)
        self.lists.mkdir()

    def push(self, name: str, digit: str, tag: str, when: float = 0.0, content: Any = None) -> None:
        number = digit * 64
        manifests = self.root / "repositories" / name / "_manifests"
        blob = self.root / "blobs/sha256" / number[:2] / number
        for directory in (manifests / f"revisions/sha256/{number}", manifests / f"tags/{tag}/current", blob):
            directory.mkdir(parents=True, exist_ok=True)
        (manifests / f"tags/{tag}/index/sha256/{number}").mkdir(parents=True)
        (manifests / f"tags/{tag}/current/link").write_text(f"sha256:{number}")
        (blob / "data").write_text(json.dumps(content or {}))
        link = manifests / f"revisions/sha256/{number}/link"
        link.write_text(f"sha256:{number}")
        os.utime(link, (when, when))

    def needs(self, stack: str, *digits: str) -> None:
        (self.lists / stack).mkdir()
        lines = [f"{REGISTRY}/{stack}/web:{OURS}{digit}@sha256:{digit * 64}\n" for digit in digits]
        (self.lists / stack / "images").write_text("".join(lines))

    def has(self, name: str) -> set[str]:
        return {
            path.parent.name[0] for path in (self.root / "repositories" / name).glob("_manifests/revisions/*/*/link")
        }


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def found(sweep: Any, storage: Storage, newest: int = 0) -> set[str]:
    unneeded = sweep.find(storage.root, storage.lists, NOW, newest)
    return {f"{repository.parent.name}/{repository.name}:{digest[7]}" for repository, digest in unneeded}


def test_what_no_kept_release_names_goes(sweep: Any, storage: Storage) -> None:
    for digit in "abc":
        storage.push("shop/web", digit, f"{OURS}{digit}")
    storage.push("shop/worker", "d", f"{OURS}d")
    storage.needs("shop", "b", "c")
    assert found(sweep, storage) == {"shop/web:a", "shop/worker:d"}


def test_a_stack_of_which_nothing_is_known_keeps_everything(sweep: Any, storage: Storage) -> None:
    for stack in ("shop", "other", "third"):
        storage.push(f"{stack}/web", "a", f"{OURS}a")
    storage.needs("shop", "b")
    storage.needs("third")
    assert found(sweep, storage) == {"shop/web:a"}


def test_what_another_stack_needs_stays(sweep: Any, storage: Storage) -> None:
    storage.push("shop/web", "a", f"{OURS}a")
    storage.needs("shop", "b")
    storage.needs("other", "a")
    assert not found(sweep, storage)


def test_what_is_new_and_the_newest_stay(sweep: Any, storage: Storage) -> None:
    for when, digit in enumerate("abc"):
        storage.push("shop/web", digit, f"{OURS}{digit}", float(when))
    storage.push("shop/web", "d", f"{OURS}d", NOW + 1)
    storage.needs("shop", "0")
    assert found(sweep, storage) == {"shop/web:a", "shop/web:b", "shop/web:c"}
    assert found(sweep, storage, newest=2) == {"shop/web:a", "shop/web:b"}


def test_other_peoples_tags_stay(sweep: Any, storage: Storage) -> None:
    storage.push("shop/base", "a", "latest")
    storage.push("shop/web", "b", f"{OURS}b")
    storage.push("shop/web", "b", "stable")
    storage.needs("shop", "0")
    assert not found(sweep, storage)


def test_the_parts_of_a_kept_image_stay(sweep: Any, storage: Storage) -> None:
    storage.push("shop/web", "a", f"{OURS}a", content={"manifests": [{"digest": f"sha256:{'b' * 64}"}]})
    storage.push("shop/web", "b", f"{OURS}b")
    storage.push("shop/web", "c", f"{OURS}c")
    storage.needs("shop", "a")
    assert found(sweep, storage) == {"shop/web:c"}


@pytest.mark.parametrize("well", [True, False])
def test_the_registry_runs_again_whatever_happens(
    sweep: Any, storage: Storage, monkeypatch: pytest.MonkeyPatch, well: bool
) -> None:
    calls = []

    class Done:
        stderr = "no space left on device"

        def __init__(self, argv: list[str], **_others: Any) -> None:
            calls.append(argv[1])
            self.returncode = 0 if well or argv[0] == "systemctl" else 1

    monkeypatch.setattr(sweep.subprocess, "run", Done)
    for digit in "ab":
        storage.push("shop/web", digit, f"{OURS}0")
    repository = storage.root / "repositories/shop/web"
    unneeded = [(repository, f"sha256:{'a' * 64}")]
    if well:
        sweep.collect(unneeded, "config.yml")
    else:
        with pytest.raises(SystemExit, match="no space left"):
            sweep.collect(unneeded, "config.yml")
    assert calls == ["stop", "garbage-collect", "start"]
    assert storage.has("shop/web") == {"b"}
    # The tag now means the other one.
    assert [path.name for path in repository.glob("_manifests/tags/*/index/sha256/*")] == ["b" * 64]
