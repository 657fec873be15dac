# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fourth server, which manages nothing: it builds, balances and runs tasks, and dies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .support import Lab, StackFile, longshore, until
from .test_images import as_they_are, without
from .test_servers import TRACES

pytestmark = pytest.mark.long
NODES = ("docker", "node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}")


@pytest.fixture(scope="module")
def four(lab: Lab, shop: StackFile) -> Iterator[StackFile]:
    """The stack with app4, the only builder."""
    lab.up(servers=4)
    addresses = lab.described["hosts"]["app4"]

    def with_worker(content: dict[str, Any]) -> None:
        content["registry"] = {"server": "app1"}
        content["servers"]["app1"]["tags"] = ["app", "lb"]
        content["servers"]["app4"] = {
            "address": addresses["public"]["v4"],
            "private_address": addresses["private"]["v4"],
            "tags": ["app", "lb", "build"],
        }

    with shop.changed(with_worker):
        done = longshore(shop, "up")
        assert done.code == 0, done.end
        yield shop
    assert longshore(shop, "deploy").code == 0


def served(lab: Lab, server: str, host: str) -> int:
    """The status of a page at one of the load balancers."""
    return lab.get(f"http://{lab.address(server)}/", "-H", f"Host: {host}")[0]


def routed_to(host: str, **service: object) -> Any:
    """A change of the service ``static`` and of where it is found."""

    def change(content: dict[str, Any]) -> None:
        content["services"]["static"] |= {"routes": [{"host": host, "port": 80}], **service}

    return change


def test_it_is_no_manager_and_serves(lab: Lab, four: StackFile) -> None:
    assert "app4 " in lab.on("app1", *NODES).stdout.splitlines(), "without a status as manager"
    assert served(lab, "app4", "shop.example") == 200


def test_what_fails_changes_no_route_though_a_server_was_lost(lab: Lab, four: StackFile) -> None:
    broken = routed_to("broken.example", command=["false"])
    with without(lab, "app3", "ssh"), four.changed(broken):
        done = longshore(four, "deploy", "static")
        assert done.code == 1, done.end
        assert "app3" in done.everything
        assert served(lab, "app4", "broken.example") == 404
        assert served(lab, "app4", "static.shop.example") == 200


def test_without_it_the_others_are_deployed_and_it_can_be_removed(lab: Lab, four: StackFile) -> None:
    lab.run("kill", "--name", lab.name, "app4")
    try:
        as_they_are(four, "app4")
        removed = longshore(four, "server", "remove", "app4", "--json")
        assert removed.code == 4, removed.end
        assert removed.json["unreachable"] == ["app4"]
        assert "app4" not in lab.on("app1", *NODES).stdout
    finally:
        lab.run("start", "--name", lab.name, "app4")
    until(lambda: lab.on("app4", "true", check=False).returncode == 0, 180, "app4 answers")
    again = longshore(four, "server", "remove", "app4")
    assert again.code == 0, again.end
    assert lab.on("app4", "docker", "info", "--format", "{{.Swarm.LocalNodeState}}").stdout.strip() == "inactive"
    assert lab.on("app4", "sh", "-c", TRACES, check=False).stdout.split() == ["inactive"]
