# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new version under load, and versions that must not get through: visitors notice neither."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .sampling import names, task_addresses
from .support import Lab, StackFile, edges, ended, longshore, nothing_lost, until

HOST = "shop.example"
# Seconds of a run around the deadline of one service: it starts, finds images, and brings the old version back.
AROUND = 45
# Seconds after its SIGTERM in which a task may still get requests. The engine forgets its name two seconds before that;
# what one load balancer's engine was told later than HEARD seconds before it, health checks must find out.
LATEST = 0.2
LATEST_UNHEARD = 2.5
HEARD = 1.0


def served(lab: Lab) -> str:
    """The version that answers."""
    status, body = lab.get(f"http://{lab.address('app1')}/version", "-H", f"Host: {HOST}")
    assert status == 200, body
    return str(json.loads(body)["version"])


def test_rolling_deploy_under_load_loses_nothing(lab: Lab, shop: StackFile, repository: Path) -> None:
    before = served(lab)
    since = lab.on("app1", "date", "-Is").stdout.strip()
    (repository / "version.txt").write_text(f"{before}-rolled\n")
    lab.push(repository, "shop")
    addresses = task_addresses(lab, "shop_web")
    assert len(addresses) == 6, addresses
    with (
        lab.load(edges(lab), HOST, rate=200, slow=0.02, new=0.3, post=0.1) as report,
        names(lab, ("app1", "app2"), "tasks.shop_web") as last_named,
    ):
        done = longshore(shop, "deploy", "web")
    assert done.code == 0, done.end
    assert served(lab) == f"{before}-rolled"
    nothing_lost(report)
    gone = until(
        lambda: addresses.keys() <= (found := ended(lab, since)).keys() and {name: found[name] for name in addresses},
        90,
        "the old tasks have ended",
    )
    named = {name: max(last_named.get(address, 0) for address in addresses[name]) for name in gone}
    assert all(named.values()), "each was named at first"
    heard = {name for name, task in gone.items() if named[name] <= task.told - HEARD}
    # Swarm's gossip loses the end of a task once in a while, and never that of most.
    assert len(heard) >= 4, {name: round(named[name] - task.told, 2) for name, task in gone.items()}
    late = {name: task.late for name, task in gone.items()}
    assert all(seconds <= LATEST for name in heard for seconds in late[name]), late
    assert all(seconds <= LATEST_UNHEARD for task in late.values() for seconds in task), late


def bad_image(service: dict[str, Any]) -> None:
    service["image"] = "nginx:no-such-tag"
    service["update"] = {"deadline": "20s"}


def unhealthy(service: dict[str, Any]) -> None:
    service["healthcheck"] = {"http": "/missing", "port": 80, "interval": "1s", "retries": 2, "timeout": "1s"}
    service["update"] = {"deadline": "40s"}


def crashes(service: dict[str, Any]) -> None:
    service["command"] = ["sh", "-c", "nginx; sleep 8; echo the disk is on fire; exit 7"]
    service["update"] = {"deadline": "60s"}


def fits_nowhere(service: dict[str, Any]) -> None:
    service["resources"] = {"reservations": {"memory": "900G"}}
    service["update"] = {"deadline": "20s"}


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        # The tutorial has one, too.
        pytest.param(bad_image, ["nginx:no-such-tag", "there is no such image"], marks=pytest.mark.long),
        (unhealthy, ["health check", "/missing", "404"]),
        pytest.param(crashes, ["exit code 7", "the disk is on fire"], marks=pytest.mark.long),
        # Where `tags` fit nowhere, tests/integration/test_services.py looks.
        pytest.param(fits_nowhere, ["no suitable node", "insufficient resources"], marks=pytest.mark.long),
    ],
)
def test_bad_version_is_explained_and_the_old_one_serves(
    lab: Lab, shop: StackFile, change: Callable[[dict[str, Any]], None], causes: list[str]
) -> None:
    urls = [f"http://{lab.address('app1')}/"]
    with shop.changed(lambda content: change(content["services"]["static"])):
        deadline = int(shop.content["services"]["static"]["update"]["deadline"].removesuffix("s"))
        with lab.load(urls, "static.shop.example", rate=50) as report:
            done = longshore(shop, "deploy", "static", timeout=300)
    assert done.code == 1, done.end
    for cause in causes:
        assert cause in done.everything, done.end
    assert done.seconds <= deadline + AROUND, done.end
    nothing_lost(report, rate=50)
    plan = longshore(shop, "plan")
    assert plan.code == 0, plan.end


def test_dockerfile_that_fails(lab: Lab, shop: StackFile, repository: Path) -> None:
    before = served(lab)
    dockerfile = repository / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + "RUN echo cannot find the anchor >&2; exit 3\n")
    lab.push(repository, "shop")
    with lab.load(edges(lab), HOST, rate=50) as report:
        done = longshore(shop, "deploy", "web")
    assert done.code == 1, done.end
    for cause in ("web", "exit code 3", "cannot find the anchor"):
        assert cause in done.everything, done.end
    nothing_lost(report, rate=50)
    assert served(lab) == before


def test_scale_lasts_until_the_file_says_otherwise(lab: Lab, shop: StackFile) -> None:
    assert longshore(shop, "scale", "static=3").code == 0
    assert running(lab, "shop_static") == 3
    assert longshore(shop, "deploy", "static").code == 0
    assert running(lab, "shop_static") == 3
    with shop.changed(lambda content: content["services"]["static"].update(replicas=1)):
        assert longshore(shop, "deploy", "static").code == 0
        assert running(lab, "shop_static") == 1
    assert longshore(shop, "deploy", "static").code == 0
    assert running(lab, "shop_static") == 2


def test_rollback_brings_image_environment_and_routes_back(lab: Lab, shop: StackFile, repository: Path) -> None:
    def greeting(host: str = HOST) -> str:
        status, body = lab.get(f"http://{lab.address('app1')}/env", "-H", f"Host: {host}")
        return str(json.loads(body)["GREETING"]) if status == 200 else ""

    def change(content: dict[str, Any]) -> None:
        web = content["services"]["web"]
        web["environment"].update(GREETING="Moin")
        next(route for route in web["routes"] if route["host"] == HOST)["host"] = f"new.{HOST}"

    template = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
    image = lab.on("app1", "docker", "service", "inspect", "-f", template, "shop_web").stdout.strip()
    before, version = greeting(), served(lab)
    assert before
    (repository / "version.txt").write_text(f"{version}-to-go-back-from\n")
    lab.push(repository, "shop")
    with shop.changed(change):
        assert longshore(shop, "deploy", "web").code == 0
    assert greeting(f"new.{HOST}") not in ("", before)
    assert greeting() == ""
    # As on a server that has come since.
    lab.on("app3", "docker", "image", "rm", "-f", image)
    done = longshore(shop, "rollback")
    assert done.code == 0, done.end
    assert (greeting(), served(lab)) == (before, version)
    assert greeting(f"new.{HOST}") == ""
    assert lab.on("app3", "docker", "image", "inspect", image, check=False).returncode == 0


def running(lab: Lab, service: str) -> int:
    """How many tasks of a service run."""
    listed = lab.on(
        "app1", "docker", "service", "ps", "-f", "desired-state=running", "--format", "{{.CurrentState}}", service
    )
    return sum(line.startswith("Running") for line in listed.stdout.splitlines())


def test_stop_and_start(lab: Lab, shop: StackFile) -> None:
    assert longshore(shop, "stop", "static").code == 0
    until(lambda: running(lab, "shop_static") == 0, 30, "static has stopped")
    assert longshore(shop, "start", "static").code == 0
    assert running(lab, "shop_static") == 2
