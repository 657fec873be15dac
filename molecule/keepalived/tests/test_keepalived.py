# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users of virtual addresses were promised, seen from a client that stands outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testinfra.utils.ansible_runner import AnsibleRunner

SCENARIO = Path(__file__).resolve().parents[1]
ROOT = SCENARIO.parents[1]
INVENTORY = str(SCENARIO.parent / "inventory/lab.py")
PLAIN = {**os.environ, "ANSIBLE_FORCE_COLOR": "0"}
UNIT = "longshore-vip-molecule"
SITE = "molecule-shared-site"
NAMES = ("app1", "app2", "app3")
testinfra_hosts = ["ansible://app1"]


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "molecule/shared/lab"), "status", "--name", os.environ.get("LAB", "lab")]
    found: dict[str, Any] = json.loads(subprocess.check_output([*command, "--json"], text=True))
    return found


@pytest.fixture(scope="module")
def shared(described: dict[str, Any]) -> tuple[str, str]:
    """The two addresses."""
    public = described["hosts"]["app1"]["public"]
    return public["v4"].rpartition(".")[0] + ".151", public["v6"].rpartition("::")[0] + "::151"


@pytest.fixture(scope="module")
def answers(described: dict[str, Any], shared: tuple[str, str]) -> Callable[[], set[str]]:
    """The servers that answer at the two addresses; "" for one at which nobody does."""

    def ask() -> set[str]:
        client = described["hosts"]["client"]["container"]
        urls = [f"http://{shared[0]}:18090/", f"http://[{shared[1]}]:18090/"]
        words = ["docker", "exec", client, "curl", "-sg", "-m", "2"]
        return {subprocess.run([*words, url], capture_output=True, text=True, check=False).stdout for url in urls}

    return ask


@pytest.fixture(scope="module")
def servers() -> dict[str, Any]:
    found = AnsibleRunner(INVENTORY)
    return {name: found.get_host(name) for name in NAMES}


def holders(servers: dict[str, Any], address: str) -> list[str]:
    """The servers that have an address."""
    return [name for name, server in servers.items() if f" {address}/" in server.check_output("ip address")]


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def converge(*options: str) -> subprocess.CompletedProcess[str]:
    argv = ["ansible-playbook", "-i", INVENTORY, str(SCENARIO / "converge.yml"), *options]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=PLAIN)


def test_one_server_has_both_families(
    answers: Callable[[], set[str]], servers: dict[str, Any], shared: tuple[str, str]
) -> None:
    wait_for(lambda: len(answers()) == 1 and "" not in answers(), "one answers at both")
    (holder,) = answers()
    for address in shared:
        assert holders(servers, address) == [holder]


def test_it_gives_them_up_when_its_balancer_does_not_answer_and_takes_nothing_back(
    answers: Callable[[], set[str]], servers: dict[str, Any], shared: tuple[str, str]
) -> None:
    (holder,) = answers()
    # It hangs: its port takes connections, and nobody answers.
    servers[holder].check_output(f"systemctl kill -s STOP {SITE}")
    try:
        wait_for(lambda: len(answers()) == 1 and not answers() & {holder, ""}, "another one has them")
    finally:
        servers[holder].check_output(f"systemctl kill -s CONT {SITE}")
    (other,) = answers()
    log = f"journalctl -u {UNIT} -o cat --since -1min"
    wait_for(lambda: "succeeded" in servers[holder].check_output(log).rpartition("failed")[2], f"{holder} is well")
    assert answers() == {other}
    assert [holders(servers, address) for address in shared] == [[other], [other]]


def test_a_server_that_is_cut_off_is_replaced(
    answers: Callable[[], set[str]], servers: dict[str, Any], shared: tuple[str, str]
) -> None:
    holder = next(iter(answers()))
    # As when it is lost: frozen, it neither speaks nor answers.
    servers[holder].check_output(f"systemctl kill -s STOP {UNIT}")
    try:
        wait_for(
            lambda: any(holders(servers, shared[0]) == sorted((holder, other)) for other in NAMES if other != holder),
            "another one has them",
        )
        wait_for(lambda: answers() & (set(NAMES) - {holder}) == answers(), "the other one answers")
    finally:
        servers[holder].check_output(f"systemctl kill -s CONT {UNIT}")
    wait_for(lambda: len(holders(servers, shared[0])) == 1, "one alone has them again")
    wait_for(lambda: len(answers()) == 1 and "" not in answers(), "it answers at both")


def test_a_process_that_is_killed_comes_back(
    answers: Callable[[], set[str]], servers: dict[str, Any], shared: tuple[str, str]
) -> None:
    holder = next(iter(answers()))
    servers[holder].check_output(f"systemctl kill -s KILL {UNIT}")
    wait_for(lambda: servers[holder].service(UNIT).is_running, "it runs again")
    wait_for(lambda: len(holders(servers, shared[0])) == 1, "one has them")
    wait_for(lambda: len(answers()) == 1 and "" not in answers(), "it answers at both")


def test_check_predicts_and_what_keepalived_refuses_stays_out(host: Any) -> None:
    config = "/etc/longshore/molecule/keepalived.conf"
    before = host.check_output("sha256sum %s", config)
    predicted = converge("--check", "-e", "keepalived_interval=0.8")
    assert "changed=1" in predicted.stdout, predicted.stdout
    refused = converge("-e", "keepalived_priority=999")
    assert refused.returncode != 0
    assert host.check_output("sha256sum %s", config) == before
    assert "changed=0" in converge().stdout


def test_an_address_of_no_network_is_refused_with_the_cure() -> None:
    refused = converge("-e", json.dumps({"addresses": ["203.0.113.7"]}))
    assert refused.returncode != 0
    assert "203.0.113.7 is in no network of this server's interfaces" in refused.stdout


def test_the_unit_is_confined(host: Any) -> None:
    told = host.check_output(f"systemd-analyze security --no-pager {UNIT}.service")
    assert float(told.rpartition(f"{UNIT}.service: ")[2].split()[0]) <= 3.0, told
