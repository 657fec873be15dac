# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster taken apart: nothing of it is left but data, and ``up`` makes it anew around that."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import pytest

from .support import Lab, StackFile, longshore, until
from .test_faults import left_over, start
from .test_up import changed_tasks

SERVERS = ("app1", "app2", "app3")
DATA = "/var/lib/longshore/shop/volumes/pages"
# What there is of ours on a server besides data: files, units, containers, networks, names, and its part in a Swarm.
TRACES = (
    "find /etc/longshore /usr/lib/longshore /etc/docker/certs.d /etc/systemd/system -path '*longshore*' 2>/dev/null; "
    "systemctl list-units --all --plain --no-legend 'longshore*' docker-registry.service | grep -w active; "
    "docker ps -aq; docker network ls --format '{{.Name}}' | grep -e longshore -e shop; grep longshore /etc/hosts; "
    "docker info --format '{{.Swarm.LocalNodeState}}' | grep -v inactive; true"
)
DESTROY = ("destroy", "--cluster", "--yes-destroy", "shop")


def with_pages(content: dict[str, Any]) -> None:
    """Have the service ``static`` serve a volume of one server."""
    content["volumes"] = {"pages": {"server": "app3"}}
    content["services"]["static"] |= {"volumes": ["pages:/usr/share/nginx/html"], "update": {"order": "stop-first"}}


def traces(lab: Lab, server: str) -> list[str]:
    """What is left of ours on a server besides data."""
    left = lab.on(server, "sh", "-c", TRACES).stdout.splitlines()
    return [trace for trace in left if "/shop" not in trace and trace != "/etc/longshore"]


def page(lab: Lab) -> tuple[int, str]:
    """What ``static`` serves."""
    status, body = lab.get(f"http://{lab.address('app1')}/", "-H", "Host: static.shop.example")
    return status, body.strip()


@pytest.mark.long
def test_cluster_goes_and_comes_back_with_its_data(lab: Lab, shop: StackFile) -> None:
    with shop.changed(with_pages):
        assert longshore(shop, "up").code == 0
        lab.on("app3", "sh", "-c", f"echo kept >{DATA}/index.html")
        until(lambda: page(lab) == (200, "kept"), 120, "the volume's page is served")
        secret = lab.on("app1", "cat", "/etc/longshore/shop/credentials/session_key").stdout
        assert longshore(shop, "destroy", "--cluster", "--check").code == 2
        assert page(lab) == (200, "kept")

        killed = start(shop, *DESTROY)
        time.sleep(random.Random(int(os.environ.get("LONGSHORE_SEED", "1"))).uniform(5, 25))
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
        until(lambda: not left_over(shop), 90, "no process of the killed run is left")
        done = longshore(shop, *DESTROY)
        assert done.code == 0, done.end
        assert DATA.rpartition("/")[0] in done.output
        assert "/var/lib/longshore/cluster/registry" in done.output
        for server in SERVERS:
            until(lambda at=server: not traces(lab, at), 60, f"nothing of ours but data is left on {server}")
        again = longshore(shop, *DESTROY, "--json")
        assert again.code == 0, again.end
        assert changed_tasks(again) == set()

        back = longshore(shop, "up")
        assert back.code == 0, back.end
        until(lambda: page(lab) == (200, "kept"), 120, "the volume's page is served again")
        assert lab.on("app1", "cat", "/etc/longshore/shop/credentials/session_key").stdout == secret
    assert longshore(shop, "up").code == 0
