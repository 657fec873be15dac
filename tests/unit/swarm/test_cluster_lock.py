# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time takes engines down: the cluster's lock over the steps of a run."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import cluster_lock
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.lease import Locked
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run


class Store:
    """The configs of a Swarm, each with a version that a writer must know."""

    def __init__(self) -> None:
        self.configs: dict[str, dict[str, Any]] = {}

    def clone(self, *_words: Any) -> Store:
        return self

    def close(self) -> None:
        pass

    def get(self, path: str, **_query: Any) -> Any:
        if path == "/configs":
            return deepcopy(list(self.configs.values()))
        return deepcopy(self._one(path.split("/")[2]))

    def post(self, path: str, body: dict[str, Any], version: int = 0, **_more: Any) -> Any:
        if path == "/configs/create":
            if any(config["Spec"]["Name"] == body["Name"] for config in self.configs.values()):
                raise DockerError(409, "name conflicts")
            made = {"ID": f"id{len(self.configs)}", "Version": {"Index": 1}, "Spec": deepcopy(body)}
            self.configs[str(made["ID"])] = made
            return made
        config = self._one(path.split("/")[2])
        if version != config["Version"]["Index"]:
            raise DockerError(500, "update out of sequence")
        config["Version"]["Index"] += 1
        config["Spec"] = deepcopy(body)
        return None

    def delete(self, path: str, **_query: Any) -> None:
        self._one(path.split("/")[2])
        del self.configs[path.split("/")[2]]

    def _one(self, key: str) -> dict[str, Any]:
        if key not in self.configs:
            raise DockerError(404, "not found")
        return self.configs[key]


class Impatient(Run):
    """A run that is cancelled as soon as it has to wait."""

    def wait(self, seconds: float) -> None:
        raise Cancelled(f"had to wait {seconds}")

    def check(self) -> None:
        pass


@pytest.fixture
def store() -> Docker:
    return cast("Docker", Store())


def names(store: Docker) -> list[str]:
    return [config["Spec"]["Name"] for config in store.get("/configs")]


def test_is_given_back(store: Docker) -> None:
    with cluster_lock.held(store, Impatient("r1"), 0):
        assert names(store) == ["longshore_cluster.lock"]
        with pytest.raises((Cancelled, Locked)), cluster_lock.held(store, Impatient("r2"), 0):
            pass
    assert names(store) == []


def test_is_kept_from_the_drain_to_the_return_of_a_server(store: Docker) -> None:
    with cluster_lock.held(store, Impatient("r1"), 0, keep=True):
        pass
    with pytest.raises((Cancelled, Locked)), cluster_lock.held(store, Impatient("r2"), 0):
        pass
    with cluster_lock.held(store, Impatient("r1"), 0):
        pass
    assert names(store) == []
    with cluster_lock.held(store, Impatient("r2"), 0):
        assert names(store) == ["longshore_cluster.lock"]


def test_is_given_back_by_a_step_that_fails(store: Docker) -> None:
    with pytest.raises(ValueError, match="drain"), cluster_lock.held(store, Impatient("r1"), 0, keep=True):
        raise ValueError("drain")
    assert names(store) == []


def test_outside_of_a_run_nothing_is_kept(store: Docker) -> None:
    with cluster_lock.held(store, Impatient(), 0, keep=True):
        assert names(store) == ["longshore_cluster.lock"]
    assert names(store) == []
