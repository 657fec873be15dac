# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of the role was promised, seen from a client that stands outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
ROOT = SCENARIO.parents[1]
LAB = os.environ.get("LAB", "lab")
RULES = "/etc/longshore/firewall/rules.nft"
PORTS = [22, 111, 2375, 18080, 18081, 18082, 18090, 18091]
# What converge.yml lets everybody in to. The container publishes TCP alone.
OPEN = {("v4", "tcp"): {22, 18080, 18090}, ("v6", "tcp"): {22, 18080, 18090}} | {
    (family, "udp"): {18080} for family in ("v4", "v6")
}
SCAN = """
import json, socket, sys, threading
found = []
def dial(address, kind, port, patience=1.0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as dialled:
        dialled.settimeout(patience)
        try:
            dialled.connect((address, port))
            if kind == socket.SOCK_DGRAM:
                dialled.send(b"x")
                dialled.recv(64)
        except OSError:
            return
    found.append(("v6" if ":" in address else "v4", "udp" if kind == socket.SOCK_DGRAM else "tcp", port))
threads = [
    threading.Thread(target=dial, args=(address, kind, int(port)))
    for address in sys.argv[1:3] for port in sys.argv[3:] for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
]
for each in threads: each.start()
for each in threads: each.join()
print(json.dumps(found))
"""
testinfra_hosts = ["ansible://app1"]
Scan = Callable[[], dict[tuple[str, str], set[int]]]


def lab(*words: str) -> str:
    return subprocess.run(
        [sys.executable, str(ROOT / "molecule/shared/lab"), *words], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab("status", "--name", LAB, "--json"))
    return found


@pytest.fixture(scope="module")
def scan(described: dict[str, Any]) -> Scan:
    """Ports of app1 that answer the client, by family and protocol."""
    client, public = described["hosts"]["client"]["container"], described["hosts"]["app1"]["public"]

    def look() -> dict[tuple[str, str], set[int]]:
        words = ["docker", "exec", client, "python3", "-c", SCAN, public["v4"], public["v6"], *map(str, PORTS)]
        answer = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        return {kind: {port for *found, port in answer if tuple(found) == kind} for kind in OPEN}

    return look


def command(name: str, *options: str, **variables: Any) -> list[str]:
    """The command that runs a play of the scenario."""
    program = str(Path(sys.executable).parent / "ansible-playbook")
    inventory = str(ROOT / "molecule/inventory/lab.py")
    return [program, "-i", inventory, str(SCENARIO / name), "-e", json.dumps(variables), *options]


def environment() -> dict[str, str]:
    """Of that command."""
    collections = str(ROOT / ".ansible/collections")
    own = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "LAB": LAB, "ANSIBLE_COLLECTIONS_PATH": collections}
    return {**os.environ, **own}


def play(name: str, *options: str, **variables: Any) -> dict[str, Any]:
    """Run a play of the scenario; gives the result of its last task on app1."""
    words = command(name, *options, **variables)
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
    tasks = json.loads(done.stdout[done.stdout.index("{") :])["plays"][-1]["tasks"]
    result: dict[str, Any] = tasks[-1]["hosts"]["app1"]
    if result.get("failed") or result.get("unreachable"):
        # Said here, since who asks for `changed` would only see that it isn't.
        sys.stderr.write(f"{name}: {result.get('msg')}\n")
    return result


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.25)


def test_exactly_what_is_listed_answers(scan: Scan) -> None:
    assert scan() == OPEN


def test_a_neighbour_reaches_what_is_listed_for_it(host: Any, described: dict[str, Any]) -> None:
    own = described["hosts"]["app1"]["private"]["v4"]
    ask = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).recv(64)"
    for port, answers in ((18081, True), (18082, False), (18080, True)):
        words = ["ssh", "--name", LAB, "app2", "--", "python3", "-c", ask, own, str(port)]
        done = subprocess.run(
            [sys.executable, str(ROOT / "molecule/shared/lab"), *words], check=False, capture_output=True
        )
        assert (done.returncode == 0) == answers, port


def test_a_container_reaches_its_own_server_only_where_that_is_listed(host: Any, described: dict[str, Any]) -> None:
    ask = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
    bridge = host.check_output("docker network inspect bridge -f '{{(index .IPAM.Config 0).Gateway}}'")
    for address in (bridge, described["hosts"]["app1"]["public"]["v4"]):
        for port, answers in ((18080, True), (18081, False), (22, False)):
            done = host.run("docker exec molecule-published python3 -c %s %s %s", ask, address, str(port))
            assert (done.rc == 0) == answers, (address, port, done.stderr)
    # To elsewhere it is free to go.
    neighbour = described["hosts"]["app2"]["private"]["v4"]
    assert host.run("docker exec molecule-published python3 -c %s %s 22", ask, neighbour).rc == 0


def test_docker_and_other_tools_open_nothing(host: Any, scan: Scan) -> None:
    host.check_output("iptables -F && iptables -P FORWARD ACCEPT")
    assert not any(found - OPEN[kind] for kind, found in scan().items())
    host.check_output("systemctl restart docker")
    wait_for(lambda: host.run("docker exec molecule-published true").rc == 0)
    wait_for(lambda: scan() == OPEN)
    # The journal is read by the mark, since earlier runs are in it too.
    mark = host.check_output("date +%s")
    host.check_output("nft flush ruleset")
    wait_for(lambda: host.run("nft list table inet longshore").rc == 0 and scan()["v4", "tcp"] <= OPEN["v4", "tcp"])
    journal = host.check_output("journalctl -u longshore-firewall-check -o cat --since @%s", mark)
    assert "loaded again" in journal
    host.check_output("systemctl restart docker")
    wait_for(lambda: host.run("docker exec molecule-published true").rc == 0)
    # Else the server could undo it before the scan.
    host.check_output("systemctl stop longshore-firewall-check.timer")
    host.check_output("nft insert rule inet longshore prerouting accept")
    assert scan() != OPEN
    host.check_output("systemctl start longshore-firewall-check.service longshore-firewall-check.timer")
    assert scan() == OPEN


def test_a_server_that_starts_is_protected(host: Any, scan: Scan) -> None:
    shown = host.check_output("systemctl show -p Before,WantedBy longshore-firewall.service")
    assert "network-pre.target" in shown
    lab("kill", "--name", LAB, "app1")
    lab("start", "--name", LAB, "app1")
    wait_for(lambda: host.run("docker exec molecule-published true").rc == 0)
    host.check_output("systemd-run --unit=molecule-listen python3 /root/molecule-listen.py 18080 18081 18082")
    wait_for(lambda: scan() == OPEN)
    assert play("converge.yml")["changed"] is False


def test_rules_that_cut_off_who_makes_them_are_taken_back(host: Any, scan: Scan) -> None:
    before = host.check_output("sha256sum %s; nft -s list table inet longshore", RULES)
    result = play("converge.yml", ssh=[], allow=[{"ports": [18082]}])
    assert result["failed"]
    assert "can't be reached from here any more, so they were taken back" in result["msg"]
    assert host.check_output("sha256sum %s; nft -s list table inet longshore", RULES) == before
    assert host.run("systemctl is-active longshore-firewall-revert.timer").rc != 0
    assert scan() == OPEN


def test_rules_of_a_run_that_was_killed_are_taken_back(host: Any, described: dict[str, Any], scan: Scan) -> None:
    inside = ["docker", "exec", described["hosts"]["app1"]["container"]]
    listing = [*inside, "nft", "-s", "list", "table", "inet", "longshore"]
    before = subprocess.run(listing, check=True, capture_output=True, text=True).stdout
    # It is cut off, and finds that out no sooner than after ten seconds.
    with subprocess.Popen(
        command("converge.yml", ssh=[], allow=[], revert_after=12),
        env=environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as run:
        waiting = [*inside, "systemctl", "is-active", "--quiet", "longshore-firewall-revert.timer"]
        wait_for(lambda: subprocess.run(waiting, check=False).returncode == 0)
        os.killpg(run.pid, signal.SIGKILL)
    assert subprocess.run(listing, check=True, capture_output=True, text=True).stdout != before
    wait_for(lambda: subprocess.run(listing, check=False, capture_output=True, text=True).stdout == before)
    assert scan() == OPEN


def test_new_rules_are_predicted_leave_leases_and_deny_first(host: Any, described: dict[str, Any], scan: Scan) -> None:
    client = described["hosts"]["client"]["public"]
    given = play("lease.yml", port=18081, source=client["v6"], seconds=600)
    assert [(lease["from"], lease["port"]) for lease in given["leases"]] == [(client["v6"], 18081)]
    wanted = {"allow": [{"name": "more", "ports": [18082]}], "deny": [{"from": [client["v4"]], "protocol": "any"}]}
    state = "sha256sum %s; nft -s list table inet longshore"
    before = host.check_output(state, RULES)
    predicted = play("converge.yml", "--check", "--diff", **wanted)
    assert host.check_output(state, RULES) == before
    done = play("converge.yml", "--diff", **wanted)
    assert done["changed"]
    assert (predicted["changes"], predicted["diff"]) == (done["changes"], done["diff"])
    found = scan()
    assert (found["v4", "tcp"], found["v4", "udp"], found["v6", "udp"]) == (set(), set(), set())
    assert found["v6", "tcp"] == {22, 18081, 18082}
    assert play("converge.yml", "--check", **wanted)["changed"] is False
    assert play("converge.yml")["changed"]
    # Given again it counts from then, and ends by itself.
    play("lease.yml", port=18081, source=client["v6"], seconds=2)
    wait_for(lambda: scan() == OPEN, 20)


def test_a_lease_is_for_whoever_runs_it_and_can_be_ended(host: Any) -> None:
    own = play("lease.yml", port=18082)["leases"]
    assert [lease["port"] for lease in own] == [18082]
    assert play("lease.yml", port=18082, source=own[0]["from"], state="absent")["leases"] == []


def test_two_stacks_share_it_and_one_goes_without_a_trace(host: Any, scan: Scan) -> None:
    before = host.file(RULES).content_string
    assert play("converge.yml", stack="molecule2", allow=[{"ports": [18082]}])["changed"]
    assert scan()["v4", "tcp"] == OPEN["v4", "tcp"] | {18082}
    assert play("converge.yml", stack="molecule2", state="absent")["changed"]
    assert host.file(RULES).content_string == before
    assert scan() == OPEN
    host.check_output("install -D /dev/null /etc/longshore/molecule3/cluster.json")
    try:
        refused = play("converge.yml", allow=[{"ports": [18082]}])
        assert "would cut off the stack molecule3" in refused["msg"]
    finally:
        host.check_output("rm -r /etc/longshore/molecule3")
    assert scan() == OPEN
