# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when a run, or a server, dies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from .support import LONGSHORE, Lab, StackFile, longshore, nothing_lost, until
from .test_deploy import HOST, running

SERVERS = ("app1", "app2", "app3")
BALANCERS = ("app1", "app2")
# A module is a Python that reads Ansible's wrapper from standard input.
MODULES = ("-x", "-f", "/usr/bin/python3")


def start(shop: StackFile, *words: str) -> subprocess.Popen[str]:
    """A run in the background."""
    return subprocess.Popen(
        [str(LONGSHORE), words[0], "-f", str(shop.path), *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def left_over(shop: StackFile) -> list[str]:
    """Processes of runs of this stack file on this machine."""
    found = subprocess.run(["pgrep", "-af", "ansible-playbook"], capture_output=True, text=True, check=False)
    return [line for line in found.stdout.splitlines() if str(shop.path) in line]


def kill(process: subprocess.Popen[str]) -> None:
    """End a run that still goes on, as a machine without memory or power does."""
    assert process.poll() is None, "it had ended by itself"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def lasting(name: str) -> Callable[[dict[str, Any]], None]:
    """A change that takes so long to roll out that something can happen meanwhile."""

    def change(content: dict[str, Any]) -> None:
        web = content["services"]["web"]
        web["environment"][name] = "changed"
        web["update"] |= {"monitor": "10s", "parallelism": 3}

    return change


def lock_held(lab: Lab, shop: StackFile) -> dict[str, Any]:
    """Who holds the stack's lock, as soon as somebody does."""
    # There is one, held or left by a dead run: to ask for that costs far less.
    listed = ("docker", "config", "ls", "-q", "-f", "name=shop.lock")

    def holder() -> Any:
        there = lab.on("app1", *listed).stdout
        return there and longshore(shop, "status", "--json").json["data"]["stack_info"]["lock"]

    found: dict[str, Any] = until(holder, 180, "the lock is held")
    return found


def test_run_killed_with_the_lock_is_finished_by_the_next_that_says_so(lab: Lab, shop: StackFile) -> None:
    with shop.changed(lasting("KILL")):
        process = start(shop, "up")
        held = lock_held(lab, shop)
        # The module that holds the lock goes first, which would else notice, stop and give it back.
        os.killpg(process.pid, signal.SIGSTOP)
        assert 0 in {lab.on(server, "pkill", "-KILL", *MODULES, check=False).returncode for server in SERVERS}
        kill(process)
        done = longshore(shop, "up")
        assert done.code == 0, done.end
        said = rf"lock: (took over the lock of|waited \d+ s for) run {re.escape(held['run'])} "
        assert re.search(said, done.output), done.end
    assert longshore(shop, "deploy", "web").code == 0


def waits(content: dict[str, Any]) -> None:
    """A change whose ``before_deploy`` ends when it is let go."""
    content["services"]["web"]["environment"]["WAITS"] = "changed"
    content["services"]["web"]["before_deploy"] = ["sh", "-c", "until [ -e /tmp/go ]; do sleep 0.2; done"]


def let_go(lab: Lab, process: subprocess.Popen[str]) -> bool:
    """End the command that ``waits``. Whether the run has ended."""
    script = (
        'for job in $(docker ps -q -f label=longshore.job=before_deploy); do docker exec "$job" touch /tmp/go; done'
    )
    for server in SERVERS:
        lab.on(server, "sh", "-c", script)
    return process.poll() is not None


def test_two_runs_at_once(lab: Lab, shop: StackFile) -> None:
    with shop.changed(waits):
        first = start(shop, "deploy", "web")
        held = lock_held(lab, shop)
        second = longshore(shop, "scale", "web=6")
        assert second.code == 5, second.end
        assert held["run"] in second.everything
        third = longshore(shop, "destroy", "--yes-destroy", "shop")
        assert third.code == 5, third.end
        assert lab.get(f"http://{lab.address('app1')}/", "-H", f"Host: {HOST}")[0] == 200
        assert first.poll() is None
        until(lambda: let_go(lab, first), 300, "the first run ends")
        output, _ = first.communicate(timeout=300)
        assert first.returncode == 0, output
    assert longshore(shop, "deploy", "web").code == 0


@pytest.mark.long
def test_ctrl_c_cancels_cleanly(lab: Lab, shop: StackFile) -> None:
    with shop.changed(lasting("CANCEL")):
        process = start(shop, "deploy", "web")
        lock_held(lab, shop)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 130, output
        assert left_over(shop) == []
        for server in SERVERS:
            modules = ("pgrep", *MODULES)
            until(lambda at=server, words=modules: not lab.on(at, *words, check=False).stdout, 60, "no module runs")
        assert not longshore(shop, "status", "--json").json["data"]["stack_info"]["lock"]
    assert longshore(shop, "deploy", "web").code == 0


def test_lost_leader_with_registry_and_builder_is_replaced_and_comes_back(lab: Lab, shop: StackFile) -> None:
    make_leader(lab, "app1")
    lose_and_heal(lab, shop, "app1", meanwhile=any_manager_serves)


def up_is_degraded(shop: StackFile, lost: str) -> None:
    """Everything is done but on the server that is not there, which is named."""
    degraded = longshore(shop, "up")
    assert degraded.code == 4, degraded.end
    assert lost in degraded.everything


def any_manager_serves(shop: StackFile, lost: str) -> None:
    """Commands work through a manager that is left, and name the server that is not."""

    def works(*words: str) -> None:
        done = longshore(shop, *words)
        assert done.code == 4, done.end
        assert lost in done.everything

    works("status")
    with shop.changed(lambda content: content["services"]["web"]["environment"].update(THROUGH="another")):
        works("deploy", "web")
    up_is_degraded(shop, lost)


class Healed(NamedTuple):
    """``seconds`` until all tasks ran on the servers that were left, and the load's ``report`` of that time; that of
    the load on the virtual address, which goes to the lost server at first when that had it."""

    seconds: float
    report: dict[str, Any]
    virtual: dict[str, Any]


def lose_and_heal(
    lab: Lab, shop: StackFile, lost: str, meanwhile: Callable[[StackFile, str], None] = up_is_degraded
) -> Healed:
    """Take a server's power under load, and bring it back; nobody outside notices, and ``up`` heals it.
    ``meanwhile`` is done while the server is away. How long it took is for ``make soak`` to record."""
    others = [name for name in SERVERS if name != lost]
    urls = [f"http://{lab.address(server)}/" for server in BALANCERS if server != lost]
    shared = [f"http://{address}/" for address in (lab.virtual()[0], f"[{lab.virtual()[1]}]")]
    try:
        with lab.load(urls, HOST, rate=200) as report, lab.load(shared, HOST, rate=50) as virtual:
            began = time.monotonic()
            lab.run("kill", "--name", lab.name, lost)
            until(lambda: healthy_on(lab, *others) == 6, 150, "six tasks run on the servers that are left")
            took = time.monotonic() - began
        nothing_lost(report)
        for url in shared:
            assert lab.get(url, "-H", f"Host: {HOST}")[0] == 200, url
        meanwhile(shop, lost)
    finally:
        lab.run("start", "--name", lab.name, lost)
    until(lambda: lab.on(lost, "true", check=False).returncode == 0, 180, f"{lost} answers")
    listed = ("docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}", "--filter", f"name={lost}")
    until(lambda: "Ready" in lab.on(others[0], *listed, check=False).stdout, 180, f"{lost} is back in the Swarm")
    healed = longshore(shop, "up")
    assert healed.code == 0, healed.end
    assert running(lab, "shop_web") == 6
    # Swarm itself leaves a server that came back without tasks.
    assert healthy_on(lab, lost) > 0, healed.end
    # `up` ends well when all that should serve does, a load balancer that came back too.
    for server in BALANCERS:
        assert lab.get(f"http://{lab.address(server)}/", "-H", f"Host: {HOST}")[0] == 200, server
    again = longshore(shop, "plan")
    assert again.code == 0, again.end
    return Healed(took, report, virtual)


def test_a_balancer_joins_a_network_that_it_had_joined_by_half(lab: Lab, shop: StackFile) -> None:
    """A join that fails, as while Swarm starts, leaves a network listed that the container is not on."""
    of_haproxy = "longshore-haproxy"
    template = '{{with index .NetworkSettings.Networks "half_edge"}}listed {{.EndpointID}}{{end}}'

    def joined() -> list[str]:
        return lab.on("app2", "docker", "inspect", "-f", template, of_haproxy).stdout.split()

    lab.on("app2", "docker", "network", "create", "--subnet", "10.254.0.0/24", "half_edge")
    try:
        lab.on("app2", "sh", "-c", "echo half_edge >> /etc/longshore/haproxy/networks")
        # The network's gateway has this address.
        taken = ("docker", "network", "connect", "--ip", "10.254.0.1", "half_edge", of_haproxy)
        assert lab.on("app2", *taken, check=False).returncode != 0
        assert joined() == ["listed"]
        lab.on("app2", "systemctl", "restart", "longshore-haproxy-networks")
        assert len(joined()) == 2
        # It is no stack's network: `up` leaves it, and forgets it.
        assert longshore(shop, "up").code == 0
        assert joined() == []
    finally:
        lab.on("app2", "docker", "network", "disconnect", "--force", "half_edge", of_haproxy, check=False)
        lab.on("app2", "docker", "network", "rm", "half_edge")


def make_leader(lab: Lab, server: str) -> None:
    """Let ``server`` lead the Swarm: while it is the only manager, nobody else can."""
    others = [name for name in SERVERS if name != server]
    for word, left in (("demote", 1), ("promote", 3)):
        for name in others:
            # Refused while the Swarm itself writes to the node.
            command = ("docker", "node", word, name)
            until(lambda command=command: lab.on(server, *command, check=False).returncode == 0, 120, " ".join(command))
        # Each says so itself: one that is killed before it has the log never takes part again.
        for name in SERVERS if left == len(SERVERS) else (server,):
            until(lambda at=name, left=left: managers(lab, at) == left, 120, f"{name} sees {left} managers")


def managers(lab: Lab, server: str) -> int:
    """How many managers ``server`` sees that answer."""
    # None while they choose a leader.
    listed = lab.on(server, "docker", "node", "ls", "--format", "{{.ManagerStatus}}", check=False).stdout.split()
    return sum(status in ("Leader", "Reachable") for status in listed)


def healthy_on(lab: Lab, *servers: str) -> int:
    """How many healthy tasks of the web service run on these servers."""
    count = 0
    for server in servers:
        listed = lab.on(
            server, "docker", "ps", "-q", "-f", "label=com.docker.swarm.service.name=shop_web", "-f", "health=healthy"
        )
        count += len(listed.stdout.split())
    return count
