# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One source, built one way, is built once: by two runs at a time, and for two services."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import image_builder
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.image_builder import Builder, Planned
from ansible_collections.longshore.stack.plugins.module_utils.image_definition import Build
from ansible_collections.longshore.stack.plugins.module_utils.image_engine import Credentials
from ansible_collections.longshore.stack.plugins.module_utils.image_private import private_directory
from ansible_collections.longshore.stack.plugins.module_utils.image_process import Processes
from ansible_collections.longshore.stack.plugins.module_utils.run import Run
from ansible_collections.longshore.stack.plugins.modules import image_build

DIGEST = "sha256:" + "d" * 64
REGISTRY = "registry.longshore.internal:5000"
SETTINGS = {
    "stack": "shop",
    "registry": REGISTRY,
    "check": False,
    "rebuild": False,
    "pull": True,
    "cgroup_parent": "",
    "deadline": 60.0,
    "git_auth": [],
}


class Engine:
    """An engine and the registry behind it: names of images, each with its content."""

    def __init__(self) -> None:
        self.local: set[str] = set()
        self.pushed: set[str] = set()

    def clone(self) -> Engine:
        return self

    def raw(self, _method: str, path: str, **_others: Any) -> bytes:
        if path[len("/distribution/") : -len("/json")] not in self.pushed:
            raise DockerError(404, "manifest unknown")
        return json.dumps({"Descriptor": {"digest": DIGEST}}).encode()

    def post(self, path: str, *, repo: str, tag: str) -> None:
        if not any(path == f"/images/{name.rpartition(':')[0]}@{DIGEST}/tag" for name in self.local):
            raise DockerError(404, "No such image")
        self.local.add(f"{repo}:{tag}")

    def stream(self, _method: str, path: str, *, tag: str, **_others: Any) -> Iterator[dict[str, Any]]:
        self.pushed.add(f"{path[len('/images/') : -len('/push')]}:{tag}")
        yield {"aux": {"Digest": DIGEST}}


class Builds(Processes):
    """Programs as they are, but BuildKit's client, which is only counted."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.images: list[str] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self._engine = engine

    def run(self, argv: Any, on_line: Callable[[str], None], **others: Any) -> int:
        if argv[0] != "docker":
            return super().run(argv, on_line, **others)
        self.begun.set()
        assert self.go_on.wait(10)
        self.images += [word.partition("=")[2] for word in argv if word.startswith("--tag=")]
        self._engine.local.add(self.images[-1])
        return 0


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def builds(engine: Engine) -> Builds:
    return Builds(engine)


@pytest.fixture
def builder(engine: Engine, builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    monkeypatch.setattr(image_builder, "ROOT", str(tmp_path))
    return Builder(
        engine,  # type: ignore[arg-type]
        Run(),
        SETTINGS,
        credentials=Credentials([]),
        processes=builds,
        private=str(tmp_path),
    )


@pytest.fixture
def archive(tmp_path: Path) -> str:
    path = tmp_path / "site.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for name in ("Dockerfile", "context/index.html"):
            file.addfile(tarfile.TarInfo(name), io.BytesIO())
    return str(path)


def plan(builder: Builder, service: str, **more: Any) -> Planned:
    return builder.plan(Build(service, {"path": "site", **more}, "c0ffee" * 8))


def perform(builder: Builder, archive: str, *plans: Planned) -> dict[str, Any]:
    by_service = {planned.build.service: planned for planned in plans}
    module: Any = SimpleNamespace(params={"archives": dict.fromkeys(by_service, archive), "parallel": 2})
    return image_build.perform(module, builder, by_service, Run())


def test_who_waited_for_the_same_build_takes_it(builder: Builder, builds: Builds, archive: str) -> None:
    plans = [plan(builder, "web"), plan(builder, "web")]
    results: list[dict[str, Any]] = []
    builds.go_on.clear()
    threads = [
        threading.Thread(target=lambda each=each: results.append(builder.perform(each, archive))) for each in plans
    ]
    for thread in threads:
        thread.start()
    assert builds.begun.wait(10)
    builds.go_on.set()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(result["built"] for result in results) == [False, True]
    assert results[0]["image"] == results[1]["image"]
    assert len(builds.images) == 1


def test_two_services_of_one_source_are_one_build(
    builder: Builder, builds: Builds, engine: Engine, archive: str
) -> None:
    results = perform(builder, archive, *(plan(builder, name) for name in ("web", "worker", "clock")))
    assert len(builds.images) == 1
    assert {name.rpartition(":")[0] for name in engine.pushed} == {
        f"{REGISTRY}/shop/{name}" for name in ("web", "worker", "clock")
    }
    assert all(result["digest"] == DIGEST for result in results.values())


def test_a_service_that_comes_later_takes_what_is_there(builder: Builder, builds: Builds, archive: str) -> None:
    perform(builder, archive, plan(builder, "web"))
    results = perform(builder, archive, plan(builder, "web"), plan(builder, "worker"))
    assert list(results) == ["worker"]
    assert len(builds.images) == 1


def test_what_is_built_another_way_is_another_build(builder: Builder, builds: Builds, archive: str) -> None:
    perform(builder, archive, plan(builder, "web"), plan(builder, "worker", args={"MODE": "worker"}))
    assert len(builds.images) == 2


def test_what_is_not_on_this_server_is_built(builder: Builder, builds: Builds, engine: Engine, archive: str) -> None:
    perform(builder, archive, plan(builder, "web"))
    engine.local.clear()
    perform(builder, archive, plan(builder, "web"), plan(builder, "worker"))
    assert len(builds.images) == 2


def test_logins_of_a_module_that_was_killed_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / f"longshore-build-{ended.pid}-abc").mkdir()
    (tmp_path / f"longshore-build-{ended.pid}-abc" / "key").touch()
    with private_directory(str(tmp_path)) as running, private_directory(str(tmp_path)) as other:
        assert {path.name for path in tmp_path.iterdir()} == {Path(running).name, Path(other).name}
        assert Path(running).stat().st_mode & 0o777 == 0o700
    assert not list(tmp_path.iterdir())
