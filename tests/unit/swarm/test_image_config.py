# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image says of itself, and what a plan says of images that have not come yet."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.image_config import ImageConfigs, as_it_runs
from ansible_collections.longshore.stack.plugins.module_utils.plan import make

from .conftest import Cluster, desired, service

ABOUT = {"run": "r1", "owner": "ann", "reason": "", "time": "2026-01-01T00:00:00Z"}
SAYS = {
    "Entrypoint": ["/start"],
    "Cmd": ["serve"],
    "Env": ["PATH=/bin"],
    "User": "1000",
    "Healthcheck": {"Test": ["CMD", "true"]},
}
ROUTE = {"host": "a.example", "path": "/", "port": 3000, "sticky": False}


class Engine:
    """An engine with some images."""

    def __init__(self, *images: str) -> None:
        self.images = set(images)

    def get(self, path: str) -> Any:
        if path[len("/images/") : -len("/json")] not in self.images:
            raise DockerError(404, "no such image")
        return {"Config": SAYS}

    def stream(self, *_words: Any, **query: Any) -> list[dict[str, Any]]:
        self.images.add(query["fromImage"])
        return []


def configs(engine: Engine, check_mode: bool, **running: str) -> ImageConfigs:
    return ImageConfigs(engine, {}, {}, check_mode, running)  # type: ignore[arg-type]


def test_an_image_that_is_not_there_is_pulled() -> None:
    assert configs(Engine(), False)("web", "web:2") == SAYS


def test_a_check_takes_what_the_running_image_says() -> None:
    engine = Engine("web:1")
    found = configs(engine, True, web="web:1")
    assert found("web", "web:2") == SAYS
    assert found.unknown == []
    assert engine.images == {"web:1"}


def test_a_check_tells_of_what_nothing_is_known() -> None:
    found = configs(Engine(), True, web="web:1")
    assert found("web", "web:2") == found("new", "new:1") == {}
    assert found.unknown == ["web", "new"]


@pytest.mark.parametrize("check", [None, {"test": ["CMD", "look"]}])
@pytest.mark.parametrize("secret", [True, False])
def test_a_plan_shows_no_difference_that_it_cannot_know(
    cluster: Cluster, secret: bool, check: dict[str, Any] | None
) -> None:
    names = ["PASSWORD"] if secret else []
    web = service(secret_environment=names, routes=[ROUTE], healthcheck=check)
    environments = {"web": dict.fromkeys(names, "hidden")}
    before = desired(web, image=SAYS, environments=environments)
    cluster.take(make(cluster.state, before, ABOUT), before)
    after = desired(web, image={}, images={"web": "web:2"}, environments=environments)
    live = cluster.state.spec("web")
    assert live
    as_it_runs(web, after.services["web"].spec, live)
    fields = make(cluster.state, after, ABOUT).services["web"].fields
    assert fields == [{"path": "image", "before": "web:1", "after": "web:2"}]


def test_what_the_file_says_itself_is_shown_all_the_same(cluster: Cluster) -> None:
    web = service(secret_environment=["PASSWORD"], routes=[ROUTE], healthcheck={"tcp": True, "port": 3000})
    environments = {"web": {"PASSWORD": "hidden"}}
    before = desired(web, image=SAYS, environments=environments)
    cluster.take(make(cluster.state, before, ABOUT), before)
    web["healthcheck"] = {"tcp": True, "port": 4000}
    after = desired(web, image={}, environments=environments)
    live = cluster.state.spec("web")
    assert live
    as_it_runs(web, after.services["web"].spec, live)
    assert [one["path"] for one in make(cluster.state, after, ABOUT).services["web"].fields] == ["healthcheck.Test"]
