# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two stacks on the same servers leave each other alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .support import Lab, StackFile, longshore, until
from .test_up import changed_tasks


def objects(lab: Lab, stack: str) -> str:
    """Everything of a stack, as text that changes when anything does."""
    script = (
        f"services=$(docker service ls -q -f label=longshore.stack={stack}); "
        # The engine notes by itself, some time later, that an update has completed: only what was asked for counts.
        "docker service inspect --format '{{json .Spec}}' $services; "
        "docker service ps -q -f desired-state=running $services | sort; "
        f"docker network ls --no-trunc -f label=longshore.stack={stack}; cat /etc/longshore/{stack}/haproxy.json; "
        f"docker config ls -q -f label=longshore.stack={stack} | sort; "
        f"docker secret ls -q -f label=longshore.stack={stack} | sort"
    )
    return lab.on("app1", "sh", "-c", script).stdout


def shared(lab: Lab) -> str:
    """What a server has once, and the authorities of the stack ``shop``."""
    script = (
        "cat /etc/docker/daemon.json /etc/sysctl.d/80-longshore-server.conf /etc/hostname; "
        "cd /usr/local/share/ca-certificates && sha256sum longshore-shop.*"
    )
    return lab.on("app1", "sh", "-c", script).stdout


def with_other_mirror(content: dict[str, Any]) -> None:
    """Another word on what all stacks of a server share."""
    content["docker"]["registry_mirrors"] = ["http://other.lab:5000"]


def test_second_stack_is_refused_where_it_says_otherwise(lab: Lab, shop: StackFile, tmp_path: Path) -> None:
    second = StackFile.of("second", tmp_path, lab)
    before = shared(lab)
    with second.changed(with_other_mirror):
        refused = longshore(second, "up")
    assert refused.code == 1, refused.end
    said = 'docker.registry_mirrors: blog says ["http://other.lab:5000"], shop says ["http://mirror.lab:5000"]'
    assert said in " ".join(refused.everything.split()), refused.end
    assert shared(lab) == before
    assert lab.on("app1", "test", "-e", "/etc/longshore/blog", check=False).returncode == 1


@pytest.mark.long
def test_second_stack_comes_and_goes(lab: Lab, shop: StackFile, tmp_path: Path) -> None:
    second = StackFile.of("second", tmp_path, lab)
    before, config = objects(lab, "shop"), lab.on("app1", "cat", "/etc/longshore/haproxy/haproxy.cfg").stdout
    common = shared(lab)
    done = longshore(second, "up")
    assert done.code == 0, done.end
    assert shared(lab) == common
    assert lab.get(f"http://{lab.address('app2')}/", "-H", "Host: blog.example")[0] == 200
    assert objects(lab, "shop") == before
    again = longshore(shop, "up", "--json")
    assert changed_tasks(again) == set(), again.end
    refused = longshore(shop, "destroy", "--cluster", "--yes-destroy", "shop")
    assert refused.code == 1, refused.end
    assert "other stacks live on this cluster: blog" in refused.everything
    assert objects(lab, "shop") == before
    with second.changed(lambda content: content["servers"]["app2"]["tags"].remove("lb")):
        moved = longshore(second, "deploy")
        assert moved.code == 0, moved.end
        assert lab.get(f"http://{lab.address('app2')}/", "-H", "Host: blog.example")[0] == 404
        assert lab.get(f"http://{lab.address('app1')}/", "-H", "Host: blog.example")[0] == 200
        assert changed_tasks(longshore(second, "deploy", "--json")) == set()
    with second.changed(lambda content: [service.pop("routes", None) for service in content["services"].values()]):
        assert longshore(second, "deploy").code == 0
        assert lab.get(f"http://{lab.address('app1')}/", "-H", "Host: blog.example")[0] == 404
    assert objects(lab, "shop") == before
    gone = longshore(second, "destroy", "--yes-destroy", "blog")
    assert gone.code == 0, gone.end
    assert lab.get(f"http://{lab.address('app2')}/", "-H", "Host: blog.example")[0] == 404
    assert lab.get(f"http://{lab.address('app2')}/", "-H", "Host: shop.example")[0] == 200
    for server in ("app1", "app2"):
        assert "haproxy.json" not in lab.on(server, "sh", "-c", "ls /etc/longshore/blog 2>&1; true").stdout
        # A server's own part of a network goes with the last container there.
        networks = ("docker", "network", "ls", "--format", "{{.Name}}")
        until(lambda at=server, words=networks: "blog_" not in lab.on(at, *words).stdout, 60, "its networks are gone")
    assert objects(lab, "shop") == before
    assert lab.on("app1", "cat", "/etc/longshore/haproxy/haproxy.cfg").stdout == config
    assert shared(lab) == common
    left = lab.on("app1", "sh", "-c", "ls /usr/local/share/ca-certificates/longshore-blog.* /etc/longshore/blog; true")
    assert left.stdout == ""
