# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack whose servers keep out what it does not need, and everything in it works on."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from .support import Lab, StackFile, edges, longshore, until
from .test_up import changed_tasks

SERVERS = ("app1", "app2", "app3")
# SSH, routes, Swarm, the registry, Docker's own API, and a port on which a program of the server listens.
PORTS = (22, 80, 2377, 7946, 5000, 2375, 18099)
DIAL = """
import json, socket, sys
found = []
for address in sys.argv[1].split(","):
    for port in sys.argv[2:]:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as dialled:
            dialled.settimeout(0.7)
            if dialled.connect_ex((address, int(port))) == 0:
                found.append([address, int(port)])
print(json.dumps(found))
"""
# Every TCP port of some addresses that answers.
SCAN = """
import asyncio, itertools, json, sys
every = itertools.product(range(1, 65536), sys.argv[1:])
found = []
async def work():
    for port, address in every:
        try:
            stream = await asyncio.wait_for(asyncio.open_connection(address, port), 1)
        except (OSError, asyncio.TimeoutError):
            continue
        stream[1].close()
        found.append([address, port])
async def main():
    await asyncio.gather(*(work() for _ in range(2000)))
asyncio.run(main())
print(json.dumps(found))
"""
LISTEN = """
import socket
with socket.create_server(("::", 18099), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    while True:
        server.accept()
"""


def guarded(content: dict[str, Any]) -> None:
    """Have the servers keep out what the stack does not need, and let one of them in to a port of another."""
    content["firewall"] = {"enabled": True, "allow": [{"from": "app2", "to": "app1", "port": 18099}]}


@contextlib.contextmanager
def listening(lab: Lab) -> Iterator[None]:
    """Have a program of app1 listen that nothing of the stack knows of."""
    lab.on("app1", "systemd-run", "--unit=stack-listen", "python3", "-c", LISTEN)
    try:
        yield
    finally:
        lab.on("app1", "systemctl", "stop", "stack-listen", check=False)


def open_to(lab: Lab, host: str, server: str) -> set[int]:
    """Ports of a server, by both families of its public addresses or its private one, that answer ``host``."""
    known = lab.described["hosts"][server]
    addresses = known["public"] if host == "client" else {"v4": known["private"]["v4"]}
    words = ["python3", "-c", DIAL, ",".join(addresses.values()), *map(str, PORTS)]
    answered = json.loads(lab.on(host, *words).stdout)
    each = {address: {port for where, port in answered if where == address} for address in addresses.values()}
    assert len(set(map(frozenset, each.values()))) == 1, f"the families differ: {each}"
    return next(iter(each.values()))


@pytest.fixture(scope="module")
def behind(lab: Lab, shop: StackFile) -> Iterator[StackFile]:
    """The stack with its firewall; afterwards without, and nothing of it is left."""
    with listening(lab):
        with shop.changed(guarded):
            predicted, done = longshore(shop, "plan", "--json"), longshore(shop, "up", "--json")
            assert done.code == 0, done.end
            assert changed_tasks(predicted) == changed_tasks(done)
            yield shop
        back = longshore(shop, "up", "--json")
        assert back.code == 0, back.end
        for server in SERVERS:
            left = lab.on(
                server, "sh", "-c", "nft list table inet longshore; ls /etc/longshore/shop/firewall.json", check=False
            )
            assert left.stdout == ""
        assert 18099 in open_to(lab, "client", "app1")


def test_everybody_reaches_what_is_meant_for_him(lab: Lab, behind: StackFile) -> None:
    assert {server: open_to(lab, "client", server) for server in SERVERS} == {
        "app1": {22, 80},
        "app2": {22, 80},
        "app3": {22},
    }
    assert {2377, 7946, 5000, 18099} <= open_to(lab, "app2", "app1")
    assert not {18099, 2375} & open_to(lab, "app3", "app1")
    assert 18099 in open_to(lab, "app2", "app1")


def test_the_stack_works_on_behind_it(lab: Lab, behind: StackFile) -> None:
    assert changed_tasks(longshore(behind, "up", "--json")) == set()
    with lab.load(edges(lab), "shop.example") as report:
        done = longshore(behind, "restart", "web")
        assert done.code == 0, done.end
    assert report["failed"] == 0, report
    assert report["total"] > 0
    # Services find each other across servers, and Swarm takes a command on each.
    for server in SERVERS:
        assert "Ready" in lab.on(server, "docker", "info", "--format", "{{.Swarm.ControlAvailable}}Ready").stdout


def test_a_probe_from_here_tells_what_is_open(lab: Lab, behind: StackFile) -> None:
    found = longshore(behind, "firewall", "check", "--ports", "18099", "--json")
    assert found.code == 0, found.everything
    seen = {(each["server"], each["port"]): each for each in found.json}
    assert (seen["app1", 22]["state"], seen["app1", 22]["allowed"]) == ("open", True)
    assert (seen["app1", 18099]["state"], seen["app1", 18099]["allowed"]) == ("silent", False)
    # Else the server could undo it before somebody asks.
    lab.on("app1", "systemctl", "stop", "longshore-firewall-check.timer")
    lab.on("app1", "nft", "insert", "rule", "inet", "longshore", "prerouting", "tcp", "dport", "18099", "accept")
    told = longshore(behind, "firewall", "check", "--server", "app1", "--ports", "18099")
    assert told.code == 1, told.everything
    assert "app1: 18099/tcp is open, though no rule lets this machine in" in told.output
    lab.on("app1", "systemctl", "start", "longshore-firewall-check.service", "longshore-firewall-check.timer")
    assert longshore(behind, "firewall", "plan").code == 0


def test_a_lease_lets_somebody_in_for_a_while(lab: Lab, behind: StackFile) -> None:
    client = lab.address("client")
    given = longshore(
        behind, "firewall", "lease", "--port", "18099", "--for", "10m", "--from", client, "--server", "app1"
    )
    assert given.code == 0, given.end
    dial = ["python3", "-c", DIAL, lab.address("app1"), "18099"]
    assert json.loads(lab.on("client", *dial).stdout) == [[lab.address("app1"), 18099]]
    listed = longshore(behind, "firewall", "leases")
    assert listed.code == 0, listed.end
    assert client in listed.output
    ended = longshore(
        behind, "firewall", "lease", "--port", "18099", "--for", "0", "--from", client, "--server", "app1"
    )
    assert ended.code == 0, ended.end
    assert json.loads(lab.on("client", *dial).stdout) == []


def scanned(lab: Lab) -> dict[str, set[int]]:
    """All TCP ports that answer the client, of each server, in either family; they have to be the same in both."""
    names = {address: server for server in SERVERS for address in lab.described["hosts"][server]["public"].values()}
    answered = json.loads(lab.on("client", "python3", "-c", SCAN, *names, timeout=1800).stdout)
    each = {address: frozenset(port for where, port in answered if where == address) for address in names}
    assert all(len({each[at] for at, name in names.items() if name == server}) == 1 for server in SERVERS), each
    return {server: set(each[address]) for address, server in names.items()}


def answered(lab: Lab, url: str) -> bool:
    """Whether anything answers the client there."""
    return lab.get(url)[0] > 0


@pytest.mark.long
def test_a_scan_of_every_port_finds_what_the_file_says_whatever_happens(lab: Lab, behind: StackFile) -> None:
    wanted = {"app1": {22, 80}, "app2": {22, 80}, "app3": {22}}
    assert scanned(lab) == wanted
    lab.on("app1", "docker", "service", "update", "--detach", "--force", "shop_web")
    lab.on("app2", "systemctl", "restart", "docker", timeout=300)
    lab.on(
        "app2",
        "sh",
        "-c",
        "iptables -F; iptables -t mangle -F; ip6tables -F; nft delete table inet nobody",
        check=False,
    )
    lab.run("kill", "--name", lab.name, "app3")
    lab.run("start", "--name", lab.name, "app3")
    for address in lab.described["hosts"]["app2"]["public"].values():
        url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
        until(partial(answered, lab, url), 120, "the load balancer is back")
    assert scanned(lab) == wanted
    healed = longshore(behind, "up", "--json")
    assert healed.code == 0, healed.end


@pytest.mark.long
def test_rules_that_cut_this_machine_off_end_the_run(lab: Lab, behind: StackFile) -> None:
    def shut(content: dict[str, Any]) -> None:
        content["firewall"]["ssh"] = ["192.0.2.1"]

    with behind.changed(shut):
        done = longshore(behind, "firewall", "apply")
    assert done.code == 1, done.everything
    assert "can't be reached from here any more" in " ".join(done.everything.split())
    with socket.create_connection((lab.address("app1"), 22), 5):
        pass
    plan = longshore(behind, "firewall", "plan")
    assert plan.code == 0, plan.everything
    until(lambda: open_to(lab, "client", "app1") == {22, 80}, 10, "the former rules are in force")
