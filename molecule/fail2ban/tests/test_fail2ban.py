# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of the role was promised, seen from a client that stands outside, and from another one."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
ROOT = SCENARIO.parents[1]
LAB = os.environ.get("LAB", "lab")
JAILS = "/etc/fail2ban/jail.d/longshore.local"
BANTIMES = (
    "import sqlite3, sys; print(sorted(sqlite3.connect(sys.argv[1]).execute("
    "'select bantime from bans where ip = ?', sys.argv[2:])))"
)
DATABASE = "/var/lib/fail2ban/fail2ban.sqlite3"
# The container's port, that of HAProxy's container, sshd's.
PORTS = (18083, 80, 22)
testinfra_hosts = ["ansible://app1"]
# Twenty logins, four at a time: more would meet MaxStartups, and so would the controller.
GUESS = (
    "printf '#!/bin/sh\\necho wrong\\n' >/tmp/askpass; chmod +x /tmp/askpass; export SSH_ASKPASS=/tmp/askpass "
    "SSH_ASKPASS_REQUIRE=force; for four in 1 2 3 4 5; do for each in 1 2 3 4; do ssh -F none -o ConnectTimeout=1 "
    "-o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 -o StrictHostKeyChecking=no "
    "-o UserKnownHostsFile=/dev/null root@{} true & done; wait; done"
)


def lab(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "molecule/shared/lab"), *words], check=True, capture_output=True, text=True
    )
    return done.stdout


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab("status", "--name", LAB, "--json"))
    return found


class Client:
    """A host outside that asks the server, by both families of addresses."""

    def __init__(self, described: dict[str, Any], name: str) -> None:
        self.container = described["hosts"][name]["container"]
        self.addresses: dict[str, str] = described["hosts"][name]["public"]
        self.servers: dict[str, str] = described["hosts"]["app1"]["public"]

    def run(self, *words: str) -> str:
        return subprocess.run(
            ["docker", "exec", self.container, *words], capture_output=True, text=True, check=False
        ).stdout

    def reaches(self, port: int, family: str = "v4") -> bool:
        script = (
            "import socket, sys\ntry:\n socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()\n"
            "except OSError:\n sys.exit()\nprint('yes')"
        )
        return self.run("python3", "-c", script, self.servers[family], str(port)) == "yes\n"

    def get(self, path: str, count: int = 1, family: str = "v4", *options: str) -> list[str]:
        """The statuses of so many requests to the application behind HAProxy."""
        server = self.servers[family] if family == "v4" else f"[{self.servers[family]}]"
        words = ["curl", "-sg", "-m", "2", "--fail-early", "-w", "%{http_code}\n", "-H", "Host: bans.example", *options]
        return self.run(*words, *["-o", "/dev/null", f"http://{server}{path}"] * count).split()


@pytest.fixture(scope="module")
def client(described: dict[str, Any]) -> Client:
    return Client(described, "client")


@pytest.fixture(scope="module")
def other(described: dict[str, Any]) -> Client:
    return Client(described, "app2")


def banned(host: Any, address: str) -> list[str]:
    """The jails that have an address."""
    return [
        str(jail) for each in ast.literal_eval(host.check_output(f"fail2ban-client banned {address}")) for jail in each
    ]


def serves(host: Any) -> bool:
    """Whether fail2ban answers; its client ends with 255 otherwise, which testinfra takes for a failure of SSH."""
    return bool(host.run("fail2ban-client ping || exit 1").rc == 0)


def failed(host: Any, jail: str) -> int:
    """The attempts that a jail has counted so far."""
    shown = host.check_output(f"fail2ban-client status {jail}")
    return int(shown.split("Total failed:")[1].split()[0])


@pytest.fixture(autouse=True)
def forgiven(host: Any, client: Client, other: Client) -> Iterator[None]:
    """Nobody is banned when a test begins, and nobody's attempts are known."""
    yield
    addresses = [each.addresses[family] for each in (client, other) for family in ("v4", "v6")]
    host.check_output(f"fail2ban-client unban {' '.join(addresses)}")


def converge(*options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run the scenario's converge once more; failures are told on standard error, so both are read."""
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i", str(ROOT / "molecule/inventory/lab.py"), str(SCENARIO / "converge.yml"), "--diff",
        "-e", json.dumps(variables), *options,
    ]  # fmt: skip
    environment = {**os.environ, "LAB": LAB, "ANSIBLE_FORCE_COLOR": "0"}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / ".ansible/collections")
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False
    )


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_guessed_passwords_of_ssh_end_in_a_ban_for_every_port(
    host: Any, client: Client, other: Client, family: str
) -> None:
    assert all(client.reaches(port, family) for port in PORTS)
    client.run("sh", "-c", GUESS.format(client.servers[family]))
    wait_for(lambda: banned(host, client.addresses[family]) == ["sshd"])
    assert not any(client.reaches(port, family) for port in PORTS)
    assert all(other.reaches(port, family) for port in PORTS)
    assert other.get("/", 20, family) == ["200"] * 20
    host.check_output(f"fail2ban-client unban {client.addresses[family]}")
    assert all(client.reaches(port, family) for port in PORTS)


@pytest.mark.parametrize("family", ["v4", "v6"])
def test_guessed_passwords_of_an_application_end_in_a_ban(
    host: Any, client: Client, other: Client, family: str
) -> None:
    # Who pretends to be somebody else is banned himself.
    pretended = ["-H", f"X-Forwarded-For: {other.addresses[family]}", "-H", "Content-Type: x", "-d", "password=guess"]
    before = failed(host, "web-logins")
    statuses = client.get("/login", 50, family, *pretended)
    assert statuses.count("401") >= 20
    wait_for(lambda: banned(host, client.addresses[family]) == ["web-logins"])
    # Whoever is forgiven before all was read is banned again for the rest.
    wait_for(lambda: failed(host, "web-logins") - before >= statuses.count("401"))
    assert not any(client.reaches(port, family) for port in PORTS)
    assert not banned(host, other.addresses[family])
    assert other.get("/", 20, family) == ["200"] * 20


def test_udp_is_banned_too(host: Any, client: Client) -> None:
    script = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 18084))\n"
        "while True: s.sendto(*s.recvfrom(99))"
    )
    host.run(f'systemd-run --unit=molecule-udp python3 -c "{script}"')
    ask = (
        "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)\n"
        "s.sendto(b'ok', (sys.argv[1], 18084))\ntry:\n print(s.recv(9).decode())\nexcept OSError:\n pass"
    )
    try:
        wait_for(lambda: client.run("python3", "-c", ask, client.servers["v4"]) == "ok\n")
        host.check_output(f"fail2ban-client set manual banip {client.addresses['v4']}")
        assert client.run("python3", "-c", ask, client.servers["v4"]) == ""
    finally:
        host.run("systemctl stop molecule-udp")


def test_scanners_and_floods_are_banned_and_visitors_are_not(host: Any, client: Client, other: Client) -> None:
    assert set(other.get("/not-there", 40)) == {"404"}
    assert not banned(host, other.addresses["v4"])
    client.get("/.env?x=1", 12)
    wait_for(lambda: banned(host, client.addresses["v4"]) == ["web-scanners"])
    before = failed(host, "web-floods")
    statuses = other.get("/", 250)
    # HAProxy answers before somebody is banned.
    assert statuses.count("429") >= 20
    wait_for(lambda: banned(host, other.addresses["v4"]) == ["web-floods"])
    # Whoever is forgiven before all was read is banned again for the rest.
    wait_for(lambda: failed(host, "web-floods") - before >= statuses.count("429"))


def test_what_a_client_sends_is_no_other_clients(host: Any, client: Client, other: Client) -> None:
    forged = f'/x", "client": "{other.addresses["v4"]}", "uri": "/login", "status": 401, "'.replace(" ", "%20")
    client.get(forged, 30)
    client.get("/", 1, "v4", "-A", f'", "client": "{other.addresses["v4"]}", "uri": "/login", "status": 401, "')
    assert not banned(host, other.addresses["v4"])


def test_bans_outlive_restarts_and_reboots(host: Any, client: Client, other: Client) -> None:
    address = client.addresses["v4"]
    client.get("/.env", 12)
    wait_for(lambda: banned(host, address) == ["web-scanners"])
    done = converge(jails={"mine": {"filter": "longshore-web", "failregex": "^nobody <ADDR>$"}})
    assert done.returncode == 0, done.stdout
    assert banned(host, address) == ["web-scanners"]
    host.check_output("systemctl restart fail2ban")
    # The ban holds while it starts.
    assert not client.reaches(18083)
    wait_for(lambda: serves(host) and banned(host, address) == ["web-scanners"])
    # Whoever puts up the rules of a firewall does not touch it.
    host.check_output("nft add table inet molecule; nft delete table inet molecule; iptables -F INPUT")
    assert not client.reaches(18083)
    lab("kill", "--name", LAB, "app1")
    lab("start", "--name", LAB, "app1")
    wait_for(lambda: serves(host) and banned(host, address) == ["web-scanners"])
    wait_for(lambda: other.reaches(18083))
    assert not any(client.reaches(port) for port in PORTS)
    # What was added for the test goes again.
    assert converge().returncode == 0
    assert banned(host, address) == ["web-scanners"]


def test_the_controller_is_never_banned(host: Any) -> None:
    controller = host.check_output("cat /var/lib/longshore/host/clients").split()
    assert controller
    spared = host.check_output("fail2ban-client get sshd ignoreip")
    assert all(address in spared for address in [*controller, "192.0.2.0/24"])


def test_each_ban_is_longer(host: Any, client: Client) -> None:
    address = client.addresses["v4"]
    host.check_output("fail2ban-client set web-scanners bantime 2")
    try:
        for expected in ([(2,)], [(2,), (4,)]):

            def lasted(expected: list[tuple[int]] = expected) -> bool:
                # On a slow machine the first request of a row may be too late, and the rest is not sent.
                client.get("/.env", 12)
                found = ast.literal_eval(host.check_output("python3 -c %s %s %s", BANTIMES, DATABASE, address))
                return bool(found[: len(expected)] == expected)

            wait_for(lasted)
            wait_for(lambda: not banned(host, address))
    finally:
        host.check_output("fail2ban-client set web-scanners bantime 600")


def test_who_is_banned_again_and_again_is_gone_for_long(host: Any, client: Client) -> None:
    address = client.addresses["v4"]
    host.check_output("fail2ban-client set recidive maxretry 1")
    try:
        client.get("/.env", 12)
        wait_for(lambda: banned(host, address) == ["recidive", "web-scanners"])
        host.check_output("fail2ban-client set web-scanners unbanip %s", address)
        assert not client.reaches(18083)
    finally:
        host.check_output("fail2ban-client set recidive maxretry 1000")


def test_bad_jails_are_refused_before_they_count(host: Any) -> None:
    before = host.file(JAILS).content_string
    done = converge(jails={"mine": {"filter": "longshore-web", "failregex": "^(<ADDR>"}})
    assert done.returncode != 0
    assert "left as it is" in done.stdout
    assert "mine" in done.stdout
    assert host.file(JAILS).content_string == before
    assert serves(host)


def test_what_would_change_is_told_and_nothing_is_touched(host: Any) -> None:
    predicted = converge("--check", bantime=900)
    assert "+bantime = 900" in predicted.stdout
    assert "bantime = 600" in host.file(JAILS).content_string
    assert "changed=0" in converge("--check").stdout


def test_it_may_do_little(host: Any) -> None:
    shown = host.run("systemd-analyze security --no-pager fail2ban.service").stdout
    assert float(shown.split("fail2ban.service:")[1].split()[0]) <= 3.0
