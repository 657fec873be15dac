# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of settings in Swarm's store: numbered without a lock, the oldest given up, none made by a look."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import settings_versions
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.run import Run
from ansible_collections.longshore.stack.plugins.modules.database_versions import Keeper

ABOUT = {"time": "2026-05-01T12:00:00Z", "run": "r", "owner": "ann", "reason": "", "kind": "up", "of": None}


class Store(Docker):
    """The configs of a Swarm; before a creation ``meanwhile`` happens."""

    def __init__(self) -> None:
        super().__init__()
        self.configs: dict[str, dict[str, Any]] = {}
        self.meanwhile: list[Any] = []

    def get(self, path: str, **query: Any) -> Any:
        assert path == "/configs"
        filters = query["filters"]
        found = list(self.configs.values())
        return [one for one in found if "name" not in filters or one["Spec"]["Name"] in filters["name"]]

    def post(self, path: str, body: Any = None, _headers: Any = None, **_query: Any) -> Any:
        assert path == "/configs/create"
        for happens in [self.meanwhile.pop() for _each in self.meanwhile[:1]]:
            happens()
        if body["Name"] in self.configs:
            raise DockerError(409, "already exists")
        self.configs[body["Name"]] = {"ID": f"of {body['Name']}", "Spec": body}
        return {"ID": self.configs[body["Name"]]["ID"]}

    def delete(self, path: str, **_query: Any) -> None:
        del self.configs[path.removeprefix("/configs/of ")]

    def versions(self) -> dict[int, dict[str, Any]]:
        """Those of the database main."""
        return settings_versions.read("shop", self.configs.values()).get("main", {})


def keep(store: Docker | None, value: str, *, check: bool = False, **about: Any) -> int:
    """Keep that the one server of main has this value."""
    found = {"engine": "redis", "given": {}, "members": ["db1"], "servers": {"db1": {"maxmemory": value}}}
    return Keeper(store, "shop", Run()).keep("main", found, {**ABOUT, **about}, check)


def test_what_is_new_is_kept_and_what_is_not_is_not() -> None:
    store = Store()
    assert [keep(store, "1mb"), keep(store, "1mb"), keep(store, "2mb"), keep(store, "1mb", of=1)] == [1, 0, 2, 3]
    kept = store.versions()
    assert [kept[number]["servers"]["db1"]["maxmemory"] for number in (1, 2, 3)] == ["1mb", "2mb", "1mb"]
    assert (kept[3]["of"], kept[3]["owner"], kept[3]["release"]) == (1, "ann", None)
    labels = store.configs["shop.database.main.config.3"]["Spec"]["Labels"]
    assert labels == {"longshore.stack": "shop", "longshore.kind": "database.config"}


def test_a_version_names_the_newest_release() -> None:
    store = Store()
    for name in ("shop.release.9", "shop.release.10", "shop.release.10.1", "shop.lock"):
        store.configs[name] = {"ID": name, "Spec": {"Name": name, "Labels": {}, "Data": ""}}
    keep(store, "1mb")
    assert store.versions()[1]["release"] == 10


def test_of_two_runs_at_once_the_second_takes_the_next_number() -> None:
    store = Store()
    store.meanwhile = [lambda: keep(store, "9mb")]
    assert keep(store, "1mb") == 2
    assert [version["servers"]["db1"]["maxmemory"] for version in store.versions().values()] == ["9mb", "1mb"]


def test_a_check_says_the_number_and_keeps_nothing() -> None:
    store = Store()
    assert (keep(store, "1mb", check=True), keep(None, "1mb", check=True)) == (1, 1)
    assert store.configs == {}


def test_the_newest_fifty_stay() -> None:
    store = Store()
    for number in range(1, 53):
        assert keep(store, f"{number}mb") == number
    assert sorted(store.versions()) == list(range(3, 53))


def test_what_a_missing_version_gave_is_not_guessed() -> None:
    store = Store()
    keep(store, "1mb")
    with pytest.raises(ValueError, match="no version 2"):
        Keeper(store, "shop", Run()).given("main", 2)
