# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service keeps when nothing can be built, and what the list of spared images holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.longshore.stack.plugins.module_utils.image_kept import SparedImages, recorded, standing
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import RELEASE, State

GONE = "registry:5000/shop/gone:d4@sha256:" + "d" * 64
OLD, NEW = (f"registry:5000/shop/web:{tag}@sha256:{tag[0] * 64}" for tag in ("a1", "b2"))


def spec(image: str, release: int = 0) -> dict[str, Any]:
    return {"Labels": {RELEASE: str(release)}, "TaskTemplate": {"ContainerSpec": {"Image": image}}}


def state(live: str, release: int) -> State:
    records = {
        1: {"services": {"web": {"spec": spec(OLD), "commit": "a1"}, "gone": {"spec": spec(GONE)}}},
        2: {"services": {"web": {"spec": spec(NEW), "commit": "b2"}}},
    }
    return State("shop", services={"web": {"Spec": spec(live, release)}}, records=records)


def test_what_runs_is_kept_with_its_commit() -> None:
    found = standing(state(OLD, 1), ["web", "new"])
    assert list(found) == ["web"]
    assert (found["web"]["image"], found["web"]["commit"], found["web"]["built"]) == (OLD, "a1", False)


def test_what_no_release_recorded_is_not_kept() -> None:
    found = standing(state("registry:5000/shop/web:c3@sha256:" + "c" * 64, 3), ["web", "gone"])
    assert (found["web"]["image"], found["web"]["commit"]) == (NEW, "b2")
    assert found["gone"]["image"] == GONE


def test_images_of_all_releases_are_recorded() -> None:
    assert recorded(state(NEW, 2)) == sorted({OLD, NEW, GONE})


def test_the_list_changes_when_an_image_comes(tmp_path: Path) -> None:
    spared = SparedImages("shop", str(tmp_path))
    assert spared.wanted(["b", "a", "b"]) == ["a", "b"]
    spared.write(["a", "b"])
    again = SparedImages("shop", str(tmp_path))
    assert (tmp_path / "shop/images").read_text() == "a\nb\n"
    assert (tmp_path / "shop/images").stat().st_mode & 0o777 == 0o644
    assert again.wanted(["b"]) == ["a", "b"]
    assert again.wanted(["c", "b"]) == ["b", "c"]
