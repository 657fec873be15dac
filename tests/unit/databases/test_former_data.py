# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of databases: found, and removed only where it is named and found."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import former_data
from ansible_collections.longshore.stack.plugins.module_utils.former_data import FormerData
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.run import Run

USING = {"postgresql": ["shop-main"], "mariadb": ["shop-books"], "redis": ["shop-cache"]}
KEPT = {
    "var/lib/postgresql/15/shop-main.before-17": ("shop-main", "before an upgrade"),
    "var/lib/postgresql/17/shop-main.moved-20261130-120000": ("shop-main", "before a move"),
    "var/lib/postgresql/17/shop-main.moved-20261130-120000.discarded": ("shop-main", "partly removed"),
    "var/lib/postgresql/17/shop-old": ("shop-old", "left by a database"),
    "var/lib/mariadb/shop-books/former-20261130-120000": ("shop-books", "before a copy"),
    "var/lib/mariadb/shop-gone": ("shop-gone", "left by a database"),
    "var/lib/valkey/shop-cache/former-20261130-120000.discarded": ("shop-cache", "before a copy"),
}
USED = (
    "var/lib/postgresql/17/shop-main",
    "var/lib/postgresql/16/shop-main",
    "var/lib/postgresql/17/shopping-main",
    "var/lib/postgresql/15/shop-dr-main.before-17",
    "var/lib/mariadb/shop-books/data",
    "var/lib/mariadb/shop-books/formerly",
    "var/lib/mariadb/shop-dr-books",
    "var/lib/valkey/shop-cache/appendonlydir",
    "var/lib/rabbitmq/shop-runs/data",
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server with all of that; `shop-dr` is another stack, and a RabbitMQ runs that the file doesn't have."""
    for place in (*KEPT, *USED):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "file").write_text("data" * 2000)
    (tmp_path / "etc/longshore/shop-dr").mkdir(parents=True)
    (tmp_path / "var/lib/postgresql/17/shop-link").symlink_to(tmp_path / "var/lib/postgresql/17/shop-main")
    (tmp_path / "var/lib/postgresql/17/shop-main.pgpass").write_text("secret")
    (tmp_path / "var/lib/mariadb/shop-empty").mkdir()
    monkeypatch.setattr(former_data, "attempt", lambda argv: (0 if "shop-runs" in argv[-1] else 1, "", ""))
    return tmp_path


def of(root: Path) -> FormerData:
    """What is kept there."""
    return FormerData("shop", USING, str(root))


def test_all_that_is_kept_is_found_and_nothing_that_is_used(root: Path) -> None:
    found = of(root).find()
    assert {each["path"]: (each["instance"], each["why"]) for each in found} == {
        f"/{path}": told for path, told in KEPT.items()
    }
    assert all(each["bytes"] >= 8000 for each in found)


def test_what_is_being_moved_or_upgraded_is_left_alone(root: Path) -> None:
    for note in ("var/lib/longshore/databases/shop-books.moving", "var/lib/longshore/postgresql/shop-main.json"):
        (root / note).parent.mkdir(parents=True, exist_ok=True)
        (root / note).write_text("{}")
    assert {each["instance"] for each in of(root).find()} == {"shop-cache", "shop-gone", "shop-old"}


def test_only_what_is_named_goes(root: Path) -> None:
    path = "/var/lib/postgresql/17/shop-old"
    assert list(of(root).remove([path], Run(), check=True)) == [path]
    assert (root / path[1:]).exists()
    assert list(of(root).remove([path], Run(), check=False)) == [path]
    left = {each["path"] for each in of(root).find()}
    assert left == {f"/{each}" for each in KEPT} - {path}
    assert all((root / place / "file").exists() for place in USED)
    assert list(of(root).remove([path], Run(), check=False)) == [], "it is gone already"


def test_all_of_it_can_go_at_once(root: Path) -> None:
    assert set(of(root).remove([f"/{each}" for each in KEPT], Run(), check=False)) == {f"/{each}" for each in KEPT}
    assert of(root).find() == []
    assert all((root / place / "file").exists() for place in USED)


@pytest.mark.parametrize("path", ["/var/lib/postgresql/17/shop-main", "/etc/longshore/shop-dr", "/var/lib/mariadb"])
def test_what_is_not_kept_is_refused_before_anything_goes(root: Path, path: str) -> None:
    with pytest.raises(HostError, match=f"{path}: not among what is kept here, so nothing was removed"):
        list(of(root).remove(["/var/lib/postgresql/17/shop-old", path], Run(), check=False))
    assert (root / "var/lib/postgresql/17/shop-old/file").exists()


def test_what_a_killed_run_leaves_is_nobodys_data(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/var/lib/postgresql/17/shop-old"

    def killed(_place: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        list(of(root).remove([path], Run(), check=False))
    assert not (root / path[1:]).exists()
    assert (f"{path}.discarded", "partly removed") in {(each["path"], each["why"]) for each in of(root).find()}
