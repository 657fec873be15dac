# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images pruning spares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from programs import program

SCRIPT = "roles/docker_host/files/prune-images.py"
DIGEST = "sha256:" + "ab" * 32
IMAGE = {"Id": "sha256:1", "RepoTags": ["shop:1"], "RepoDigests": [f"mirror:5000/shop@{DIGEST}"]}


@pytest.fixture(scope="module")
def prune() -> Any:
    return program(SCRIPT)


@pytest.mark.parametrize(
    ("reference", "spared"),
    [
        ("shop:1", True),
        (f"registry.longshore.internal:5000/shop@{DIGEST}", True),
        ("sha256:1", True),
        ("shop:2", False),
    ],
)
def test_by_tag_by_digest_through_another_name_and_by_id(prune: Any, reference: str, spared: bool) -> None:
    assert prune.is_kept(IMAGE, {reference}) is spared


def test_lists_of_all_stacks_count(prune: Any, tmp_path: Path) -> None:
    assert prune.kept(tmp_path) is None
    for stack in ("shop", "blog"):
        (tmp_path / stack).mkdir()
        (tmp_path / stack / "images").write_text(f"{stack}:1\n\n")
    assert prune.kept(tmp_path) == {"shop:1", "blog:1"}


def test_only_after_days_without_need(prune: Any) -> None:
    day = 86400
    due, since = prune.due(["a"], {}, 100 * day, 7)
    assert due == []
    assert prune.due(["a"], since, 106 * day, 7)[0] == []
    assert prune.due(["a"], since, 107 * day, 7)[0] == ["a"]
    # Needed in between: the days begin anew.
    _due, since = prune.due([], since, 103 * day, 7)
    assert prune.due(["a"], since, 108 * day, 7)[0] == []


def run(prune: Any, monkeypatch: pytest.MonkeyPatch, directory: Path, images: list[dict[str, Any]]) -> list[str]:
    """What one run of the program removes from an engine that has these images and no container."""
    removed: list[str] = []

    def docker(*arguments: str) -> str:
        assert arguments[:2] != ("image", "prune"), "it removes what has only a digest"
        answers = {"ls": "\n".join(image["Id"] for image in images), "inspect": json.dumps(images)}
        return answers[arguments[1]] if arguments[0] == "image" else ""

    monkeypatch.setattr(prune, "docker", docker)
    monkeypatch.setattr(prune, "remove", removed.append)
    monkeypatch.setattr(sys, "argv", ["prune-images", "--days", "0", "--directory", str(directory)])
    assert prune.main() == 0
    return removed


def test_an_idle_image_that_has_only_a_digest_is_spared(
    prune: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {"Id": "sha256:1", "RepoTags": [], "RepoDigests": [f"mirror:5000/shop@{DIGEST}"]}
    other = {"Id": "sha256:2", "RepoTags": [], "RepoDigests": ["mirror:5000/shop@sha256:" + "cd" * 32]}
    nameless = {"Id": "sha256:3", "RepoTags": [], "RepoDigests": []}
    # Nobody has said what a rollback needs.
    assert run(prune, monkeypatch, tmp_path, [kept, other, nameless]) == ["sha256:3"]
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "images").write_text(f"mirror:5000/shop@{DIGEST}\n")
    assert run(prune, monkeypatch, tmp_path, [kept, other, nameless]) == ["sha256:3", *other["RepoDigests"]]
