# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy before a Swarm service: networks it joins and leaves, restarted engines, stacks that go.

On a lab of its own, named by the variable LAB (default ``haproxy``); it is removed afterwards unless LAB_KEEP is set.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# The stack's tests and the scenario `haproxy` have what is usual.
pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[2]
NAME = os.environ.get("LAB", "haproxy")
SHOP = ROOT / "molecule/shared/repositories/shop/shop.py"
BALANCERS = ("app1", "app2")
SERVERS = ("app1", "app2", "app3")
DAEMON = {
    "registry-mirrors": ["http://mirror.lab:5000"],
    "insecure-registries": ["mirror.lab:5000"],
    "experimental": True,
    "ip6tables": True,
}
TASK = """
- hosts: app1:app2
  gather_facts: false
  tasks:
    - longshore.stack.haproxy_config:
        stack: "{{ stack }}"
        state: "{{ state }}"
        routes: [{host: "{{ stack }}.example", backend: web}]
        backends: {web: {service: "{{ stack }}_web", port: 3000, maximum: 6, check: {http: /healthz, interval: 1}}}
"""


def lab(*words: str, check: bool = True, given: str | None = None) -> str:
    command = [sys.executable, str(ROOT / "molecule/shared/lab"), *words]
    return subprocess.run(command, check=check, capture_output=True, text=True, input=given).stdout


def on(host: str, *words: str, check: bool = True, given: str | None = None) -> str:
    return lab("ssh", "--name", NAME, host, "--", shlex.join(words), check=check, given=given)


def until(condition: Callable[[], Any], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.25)


def member(host: str) -> bool:
    return on(host, "docker", "info", "-f", "{{.Swarm.LocalNodeState}}").strip() == "active"


@pytest.fixture(scope="module")
def described() -> Iterator[dict[str, Any]]:
    """Three servers in one Swarm; the service ``shop_web`` of six tasks on them."""
    found: dict[str, Any] = json.loads(lab("up", "--name", NAME, "--servers", "3", "--json"))
    for host in SERVERS:
        on(host, "mkdir", "-p", "/etc/docker")
        on(host, "tee", "/etc/docker/daemon.json", given=json.dumps(DAEMON))
        on(host, "apt-get", "install", "-y", "--no-install-recommends", "docker.io", "docker-cli", "iptables")
    # Another file's tests may have left a Swarm of some of them.
    outside = [host for host in SERVERS if not member(host)]
    private = found["hosts"]["app1"]["private"]["v4"]
    if "app1" in outside:
        on("app1", "docker", "swarm", "init", "--advertise-addr", private)
    token = on("app1", "docker", "swarm", "join-token", "-q", "worker").strip()
    for host in set(outside) - {"app1"}:
        # It goes on joining when it takes longer than the client waits for it.
        on(host, "docker", "swarm", "join", "--token", token, f"{private}:2377", check=False)
        until(lambda host=host: member(host), 120, f"{host} is in the Swarm")  # type: ignore[misc]
    on("app1", "tee", "/root/shop.py", given=SHOP.read_text())
    on("app1", "docker", "config", "create", "shop.py", "/root/shop.py", check=False)
    yield found
    if not os.environ.get("LAB_KEEP"):
        lab("down", "--name", NAME)


def deploy(stack: str, replicas: int, *options: str) -> None:
    """A service of the shop's program on its stack's edge network."""
    on("app1", "docker", "network", "create", "-d", "overlay", "--attachable", f"{stack}_edge", check=False)
    health = "python -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:3000/healthz', timeout=1)\""
    on(
        "app1", "docker", "service", "create", "-q", "--name", f"{stack}_web", "--replicas", str(replicas),
        "--endpoint-mode", "dnsrr", "--network", f"{stack}_edge", "--config", "source=shop.py,target=/shop.py",
        "--env", "VERSION=1", "--stop-grace-period", "15s", "--update-order", "start-first",
        "--update-parallelism", "2", "--update-monitor", "2s", "--health-interval", "5s",
        "--health-start-interval", "1s", "--health-start-period", "10s", "--health-timeout", "10s",
        "--health-cmd", health, *options,
        "python:3.13-slim", "python", "/shop.py", check=False,
    )  # fmt: skip


def converge(tmp_path: Path, stack: str = "shop", state: str = "present") -> dict[str, Any]:
    """Run the module on both load balancers; gives app2's result."""
    play = tmp_path / "play.yml"
    play.write_text(TASK)
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "LAB": NAME}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(ROOT / "molecule/inventory/lab.py")]
    done = subprocess.run(
        [*command, str(play), "-e", f"stack={stack} state={state}"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"][-1]["hosts"]["app2"]
    return found


def status(described: dict[str, Any], stack: str, balancer: str) -> str:
    url = f"http://{described['hosts'][balancer]['public']['v4']}/"
    words = ["curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {stack}.example", url]
    client = described["hosts"]["client"]["container"]
    return subprocess.run(["docker", "exec", client, *words], capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module", autouse=True)
def served(described: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    deploy("shop", 6)
    result = converge(tmp_path_factory.mktemp("play"))
    assert not result.get("failed"), result
    for balancer in BALANCERS:
        until(lambda balancer=balancer: status(described, "shop", balancer) == "200", 120, f"{balancer} serves")  # type: ignore[misc]


def test_a_worker_joins_a_network_it_has_not_seen_and_keeps_it(described: dict[str, Any], tmp_path: Path) -> None:
    deploy("other", 1, "--constraint", "node.hostname==app1")
    assert "other_edge" not in on("app2", "docker", "network", "ls", "--format", "{{.Name}}").split()
    assert "join other_edge" in converge(tmp_path, "other")["changes"]
    until(lambda: status(described, "other", "app2") == "200", 120, "app2 serves the other stack")
    on("app2", "systemctl", "restart", "docker")
    until(lambda: status(described, "other", "app2") == "200", 120, "it does again")
    until(lambda: status(described, "shop", "app2") == "200", 120, "and the first stack too")
    assert converge(tmp_path, "other")["changed"] is False


def test_the_statistics_are_not_for_the_services() -> None:
    listed = ("docker", "ps", "-q", "--filter", "label=com.docker.swarm.service.name=shop_web")
    # Swarm leaves a server that came back without tasks.
    balancer, task = next((name, found.split()[0]) for name in BALANCERS if (found := on(name, *listed)))
    template = '{{(index .NetworkSettings.Networks "shop_edge").IPAddress}}'
    address = on(balancer, "docker", "inspect", "-f", template, "longshore-haproxy").strip()
    script = "import socket, sys; print(socket.socket().connect_ex((sys.argv[1], int(sys.argv[2]))))"
    reached = {
        port: int(on(balancer, "docker", "exec", task, "python", "-c", script, address, str(port)))
        for port in (80, 8404)
    }
    assert reached == {80: 0, 8404: errno.ECONNREFUSED}
    assert "shop.web" in on(balancer, "curl", "-s", "-m", "5", "http://127.0.0.1:8404/")


def test_a_removed_stack_leaves_its_network(tmp_path: Path) -> None:
    before = on("app2", "cat", "/etc/longshore/shop/haproxy.json")
    deploy("gone", 1)
    assert converge(tmp_path, "gone")["changed"]
    changes = converge(tmp_path, "gone", "absent")["changes"]
    assert "leave gone_edge" in changes
    assert "reload HAProxy" in changes
    on("app1", "docker", "service", "rm", "gone_web")
    until(lambda: on("app1", "docker", "network", "rm", "gone_edge", check=False), 30, "the network can go")
    assert on("app2", "cat", "/etc/longshore/shop/haproxy.json") == before
    assert converge(tmp_path, "gone", "absent")["changed"] is False


def test_a_stack_that_went_while_a_balancer_was_away_hinders_no_other(tmp_path: Path) -> None:
    fragment = on("app2", "cat", "/etc/longshore/shop/haproxy.json").replace("shop", "dead")
    on("app2", "mkdir", "-p", "/etc/longshore/dead")
    on("app2", "tee", "/etc/longshore/dead/haproxy.json", given=fragment)
    done = converge(tmp_path)
    assert done["changes"][-1] == "reload HAProxy", done
    assert "the network dead_edge" in done["warnings"][0]
    again = converge(tmp_path)
    assert (again["changed"], again["warnings"]) == (False, done["warnings"])
    assert converge(tmp_path, "dead", "absent")["changed"]
    assert on("app2", "ls", "/etc/longshore/dead", check=False) == ""
    assert "warnings" not in converge(tmp_path)
