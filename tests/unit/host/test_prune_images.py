# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images pruning spares."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "roles/docker_host/files/prune-images.py"
DIGEST = "sha256:" + "ab" * 32
IMAGE = {"Id": "sha256:1", "RepoTags": ["shop:1"], "RepoDigests": [f"mirror:5000/shop@{DIGEST}"]}


@pytest.fixture(scope="module")
def prune() -> Any:
    spec = importlib.util.spec_from_file_location("prune_images", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
