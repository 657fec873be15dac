# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is drained and put back to work, removed and taken in again, a manager and none."""

from __future__ import annotations

from typing import Any

import pytest

from .support import Lab, StackFile, longshore, until
from .test_faults import healthy_on
from .test_up import changed_tasks

# What only managers keep.
KEYS = "cd /etc/longshore; ls cluster/*.key cluster/registry.password shop/credentials/* 2>/dev/null; true"
# What a server that was removed has no more.
TRACES = (
    "cd /etc/longshore; ls shop/credentials haproxy; systemctl is-active longshore-haproxy; grep longshore /etc/hosts"
)
NODES = "docker node ls --format '{{.Hostname}} {{.Availability}} {{.ManagerStatus}}' | sed s/Leader/Reachable/ | sort"


@pytest.mark.long
def test_drained_server_takes_tasks_again_when_it_is_active(lab: Lab, shop: StackFile) -> None:
    drained = longshore(shop, "server", "drain", "app3")
    assert drained.code == 0, drained.end
    assert healthy_on(lab, "app3") == 0
    assert longshore(shop, "up").code == 0
    assert healthy_on(lab, "app3") == 0, "a drained server stays so"
    active = longshore(shop, "server", "activate", "app3")
    assert active.code == 0, active.end
    assert healthy_on(lab, "app3") == 0, "Swarm itself moves nothing back"
    assert longshore(shop, "deploy").code == 0
    assert healthy_on(lab, "app3") >= 1
    again = longshore(shop, "server", "activate", "app3")
    assert "nothing changed" in again.output, again.end


def keys(lab: Lab, server: str) -> list[str]:
    """The keys that managers have; those of the server itself left out."""
    own = ("registry.key", "server.key")
    return [path for path in lab.on(server, "sh", "-c", KEYS).stdout.split() if not path.endswith(own)]


def with_one_manager(content: dict[str, Any]) -> None:
    """Have app1 alone manage the Swarm."""
    content["servers"]["app1"]["manager"] = True


@pytest.mark.long
def test_keys_are_where_the_managers_are(lab: Lab, shop: StackFile) -> None:
    everywhere = keys(lab, "app1")
    assert len(everywhere) == 4
    assert keys(lab, "app2") == keys(lab, "app3") == everywhere
    with shop.changed(with_one_manager):
        predicted, done = longshore(shop, "plan", "--json"), longshore(shop, "up", "--json")
        assert done.code == 0, done.end
        assert changed_tasks(predicted) == changed_tasks(done)
        assert keys(lab, "app1") == everywhere
        assert keys(lab, "app2") == keys(lab, "app3") == []
    back = longshore(shop, "up")
    assert back.code == 0, back.end
    assert keys(lab, "app2") == keys(lab, "app3") == everywhere


def test_removed_server_keeps_data_alone_and_comes_back(lab: Lab, shop: StackFile) -> None:
    nodes = lab.on("app1", "sh", "-c", NODES).stdout
    for label, why in (
        ("longshore.blog.server=x", "the stack blog uses it too"),
        ("longshore.shop.volume.pages=true", "the volume pages of shop is on it"),
    ):
        lab.on("app1", "docker", "node", "update", "--label-add", label, "app2")
        refused = longshore(shop, "server", "remove", "app2")
        lab.on("app1", "docker", "node", "update", "--label-rm", label.partition("=")[0], "app2")
        assert refused.code == 1, refused.end
        assert why in " ".join(refused.everything.split()), refused.end
    assert lab.on("app1", "sh", "-c", NODES).stdout == nodes

    removed = longshore(shop, "server", "remove", "app2")
    assert removed.code == 0, removed.end
    assert lab.on("app2", "sh", "-c", KEYS).stdout.split() == []
    assert lab.on("app2", "sh", "-c", TRACES, check=False).stdout.split() == ["inactive"]
    assert keys(lab, "app3") == keys(lab, "app1") != []
    back = longshore(shop, "server", "add", "app2")
    assert back.code == 0, back.end

    def serves() -> bool:
        return lab.get(f"http://{lab.address('app2')}/", "-H", "Host: shop.example")[0] == 200

    until(serves, 120, "the server that came back serves")
    assert keys(lab, "app2") == keys(lab, "app1")
    assert changed_tasks(longshore(shop, "up", "--json")) == set()
