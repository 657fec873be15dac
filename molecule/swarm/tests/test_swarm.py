# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of the role was promised. The tests run in this order, since they share one Swarm."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testinfra.utils.ansible_runner import AnsibleRunner

SCENARIO = Path(__file__).resolve().parents[1]
INVENTORY = str(SCENARIO.parent / "inventory/lab.py")
PLAIN = {**os.environ, "ANSIBLE_FORCE_COLOR": "0"}
testinfra_hosts = ["ansible://app1"]


def play(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the scenario."""
    argv = ["ansible-playbook", "-i", INVENTORY, str(SCENARIO / name), *options]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=PLAIN)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fails when it does not come true within three minutes."""
    end = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < end, f"not within three minutes: {what}"
        time.sleep(0.5)


def led(host: Any) -> None:
    """Wait for a leader: one that was demoted or restarted leaves the managers without for some seconds."""
    until(lambda: host.run("docker node ls").rc == 0, "the managers have a leader")


def manage(host: Any, words: str) -> None:
    """A command to the Swarm."""
    led(host)
    host.run_expect([0], f"docker {words}")


def nodes(host: Any) -> dict[str, dict[str, Any]]:
    """The nodes by the name of their server."""
    led(host)
    found = json.loads(host.check_output("docker node inspect $(docker node ls -q)"))
    return {node["Spec"]["Labels"].get("molecule.server", node["ID"]): node for node in found}


def changed(output: str) -> list[str]:
    """The tasks that changed something, with their hosts."""
    tasks, task = [], ""
    for line in output.splitlines():
        task = line if line.startswith("TASK") else task
        tasks += [f"{task} {line}"] if line.startswith("changed:") else []
    return sorted(tasks)


def test_three_managers_with_their_labels(host: Any) -> None:
    found = nodes(host)
    assert sorted(found) == ["app1", "app2", "app3"]
    for name, node in found.items():
        assert node["ManagerStatus"]["Reachability"] == "reachable"
        assert node["Spec"]["Labels"] == {"molecule.server": name, "molecule.tag.app": "true"}


def test_settings(host: Any) -> None:
    swarm = json.loads(host.check_output("docker info --format '{{json .Swarm.Cluster}}'"))
    assert swarm["Spec"]["Dispatcher"]["HeartbeatPeriod"] == 2_000_000_000
    assert swarm["DefaultAddrPool"] == ["10.208.0.0/12"]
    assert swarm["SubnetSize"] == 20


def test_services_reach_the_world_over_ipv6(host: Any) -> None:
    bridge = json.loads(host.check_output("docker network inspect docker_gwbridge"))[0]
    assert bridge["EnableIPv6"]
    assert any(":" in each["Subnet"] for each in bridge["IPAM"]["Config"])


def test_labels_drift_and_those_of_others_stay(host: Any) -> None:
    manage(host, "node update --label-rm molecule.tag.app --label-add molecule.old=1 --label-add theirs=1 app2")
    predicted, done = play("converge.yml", "--check"), play("converge.yml")
    assert changed(predicted.stdout) == changed(done.stdout) != []
    assert nodes(host)["app2"]["Spec"]["Labels"] == {
        "molecule.server": "app2",
        "molecule.tag.app": "true",
        "theirs": "1",
    }
    manage(host, "node update --label-rm theirs app2")
    assert changed(play("converge.yml").stdout) == []


def test_a_volume_is_not_moved_away_from_its_data(host: Any) -> None:
    former, data = AnsibleRunner(INVENTORY).get_host("app2"), "/var/lib/longshore/molecule/data"
    manage(host, "node update --label-add molecule.volume.data=true app2")
    former.run_expect([0], f"mkdir -p {data} && touch {data}/kept")
    refused = play("converge.yml", "-e", "volume=app3")
    assert refused.returncode == 2
    assert f"its data is on app2 in {data}" in refused.stdout
    assert changed(refused.stdout) == []
    assert "molecule.volume.data" in nodes(host)["app2"]["Spec"]["Labels"]
    former.run_expect([0], f"rm -r {data}")
    assert play("converge.yml", "-e", "volume=app3").returncode == 0
    assert "molecule.volume.data" not in nodes(host)["app2"]["Spec"]["Labels"]
    assert nodes(host)["app3"]["Spec"]["Labels"]["molecule.volume.data"] == "true"
    manage(host, "node update --label-rm molecule.volume.data app3")


def test_one_engine_at_a_time_and_the_service_stays_up(host: Any) -> None:
    manage(host, "service create -q --name molecule --replicas 3 --endpoint-mode dnsrr busybox sleep 1d")
    for name in ("app1", "app2", "app3"):
        # Somebody's own setting, which the engine has still to read.
        server = AnsibleRunner(INVENTORY).get_host(name)
        server.run_expect([0], "sed -i s/10m/12m/ /etc/docker/daemon.json && grep 12m /etc/docker/daemon.json")
    predicted, done = play("converge.yml", "--check"), play("converge.yml")
    assert done.returncode == 0, done.stdout
    assert changed(predicted.stdout) == changed(done.stdout)
    restarts = [line for line in changed(done.stdout) if "Restart the engine" in line]
    assert len(restarts) == 3
    found = nodes(host)
    assert {node["Spec"]["Availability"] for node in found.values()} == {"active"}
    assert not any("longshore.restarting" in node["Spec"]["Labels"] for node in found.values())
    assert changed(play("converge.yml").stdout) == []


def test_managers_are_those_that_are_asked_for_unless_others_want_them(host: Any) -> None:
    manage(host, "node update --label-add theirs.server=x --label-add theirs.manager=true app3")
    one = json.dumps({"managers": ["app2"]})
    predicted, done = play("converge.yml", "-e", one, "--check"), play("converge.yml", "-e", one)
    assert done.returncode == 0, done.stdout
    assert changed(predicted.stdout) == changed(done.stdout) != []
    other = AnsibleRunner(INVENTORY).get_host("app2")
    assert {name for name, node in nodes(other).items() if node["Spec"]["Role"] == "manager"} == {"app2", "app3"}
    manage(other, "node update --label-rm theirs.server --label-rm theirs.manager app3")
    assert play("converge.yml", "-e", one).returncode == 0
    assert {name for name, node in nodes(other).items() if node["Spec"]["Role"] == "manager"} == {"app2"}
    assert changed(play("converge.yml", "-e", one).stdout) == []

    # The role is told of app1 as a manager, which it is not, as when a Swarm grows: another one speaks for the restart.
    AnsibleRunner(INVENTORY).get_host("app3").run_expect([0], "sed -i s/10m/12m/ /etc/docker/daemon.json")
    restarted = play("converge.yml", "-e", one)
    assert restarted.returncode == 0, restarted.stdout
    assert len([line for line in changed(restarted.stdout) if "Let the tasks come back" in line]) == 1

    refused = play("converge.yml", "-e", json.dumps({"managers": ["app1"]}))
    assert "keep one of app2 as a manager" in refused.stdout
    assert play("converge.yml").returncode == 0
    assert {node["ManagerStatus"]["Reachability"] for node in nodes(host).values()} == {"reachable"}


def test_drain_waits_until_the_tasks_run_elsewhere(host: Any) -> None:
    assert play("command.yml", "-e", "command=drain", "-e", "server=app2").returncode == 0
    running = host.check_output(
        "docker service ps molecule -f desired-state=running --format '{{.Node}} {{.CurrentState}}'"
    )
    places = [line.split() for line in running.splitlines()]
    assert len(places) == 3
    assert all(place != "app2" and state == "Running" for place, state, *_since in places)
    assert play("command.yml", "-e", "command=activate", "-e", "server=app2").returncode == 0
    manage(host, "service rm molecule")


def test_the_copy_of_the_state_can_be_read(host: Any) -> None:
    host.run_expect([0], "systemctl start longshore-swarm-backup.service")
    newest = host.check_output("ls /var/lib/longshore/cluster/raft/swarm-*.tar.gz | tail -1")
    assert host.file(newest).mode == 0o600
    assert "./raft/wal-v3-encrypted" in host.check_output(f"tar -tzf {newest}")


def test_removal_is_refused_without_a_majority_and_then_done(host: Any) -> None:
    other = AnsibleRunner(INVENTORY).get_host("app3")
    other.run_expect([0], "systemctl stop docker.socket docker.service")
    until(lambda: nodes(host)["app3"]["ManagerStatus"]["Reachability"] != "reachable", "its silence is noticed")
    argv = ["ansible", "app1", "-i", INVENTORY, "-m", "longshore.stack.swarm_nodes", "-a"]
    argv.append(f"state=drained restarting=true node={nodes(host)['app2']['ID']}")
    restart = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=PLAIN)
    assert "its engine is not restarted: without it only 1 of 3 managers answer" in restart.stdout
    assert nodes(host)["app2"]["Spec"]["Availability"] == "active"
    refused = play("command.yml", "-e", "command=remove", "-e", "server=app2")
    assert refused.returncode != 0
    assert "only 1 answer, and 2 are needed" in refused.stdout
    assert nodes(host)["app2"]["Spec"]["Role"] == "manager"

    # The server whose engine is dead is not asked. When it is back, it does not know yet that it is forgotten.
    assert play("command.yml", "-e", "command=remove", "-e", "server=app3").returncode == 0
    assert sorted(nodes(host)) == ["app1", "app2"]
    other.run_expect([0], "systemctl start docker.service")
    for command in ("remove", "removed"):
        done = play("command.yml", "-e", f"command={command}", "-e", "server=app3")
        assert done.returncode == 0, done.stdout
    assert other.check_output("docker info --format '{{.Swarm.LocalNodeState}}'") == "inactive"


def test_a_removed_server_joins_again(host: Any) -> None:
    assert play("converge.yml").returncode == 0
    assert sorted(nodes(host)) == ["app1", "app2", "app3"]
    assert nodes(host)["app3"]["ManagerStatus"]["Reachability"] == "reachable"


def test_the_state_comes_back_from_a_copy_when_all_managers_are_lost(host: Any) -> None:
    """As the role docker_host's README says it."""
    manage(host, "config create kept /etc/hostname")
    # That a write is good is written down with the next one; the very last one may be missing in a copy.
    manage(host, "config create last /etc/hostname")
    host.run_expect([0], "systemctl start longshore-swarm-backup.service")
    newest = host.check_output("ls /var/lib/longshore/cluster/raft/swarm-*.tar.gz | tail -1")
    address = host.check_output("docker info --format '{{.Swarm.NodeAddr}}'")
    others = [AnsibleRunner(INVENTORY).get_host(name) for name in ("app2", "app3")]
    try:
        for server in (*others, host):
            server.run_expect([0], "systemctl stop docker.socket docker.service")
        directory = "/var/lib/docker/swarm"
        host.run_expect([0], f"mv {directory} {directory}.lost; mkdir -m 0700 {directory}")
        host.run_expect([0], f"tar -xzf {newest} -C {directory} && systemctl start docker.service")
        host.run_expect([0], f"docker swarm init --force-new-cluster --advertise-addr {address}")
        found = nodes(host)
        assert sorted(found) == ["app1", "app2", "app3"]
        assert [name for name, node in found.items() if "ManagerStatus" in node] == ["app1"]
        assert found["app1"]["Spec"]["Labels"] == {"molecule.server": "app1", "molecule.tag.app": "true"}
        assert "kept" in host.check_output("docker config ls --format '{{.Name}}'").split()
    finally:
        for start in ("start --no-block", "start"):
            for server in others:
                server.run_expect([0], f"systemctl {start} docker.service")
