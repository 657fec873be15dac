# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's promises, over real SSH, of the lab that LAB names (default `test`), which is there already."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import testinfra

ROOT = Path(__file__).resolve().parents[2]
NAME = os.environ.get("LAB", "test")


def lab(verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of the lab's commands; a later ``--name`` wins."""
    command = [sys.executable, str(ROOT / "molecule/shared/lab"), verb, "--name", NAME, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def status() -> dict[str, Any]:
    """What runs where; without a lab there is nothing to judge."""
    done = lab("status", "--json")
    if done.returncode:
        pytest.fail(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def connect(status: dict[str, Any], name: str, *, user: str = "root", family: str = "v4") -> Any:
    """Open a host by its public address with the lab's key, trusting the lab's known hosts only."""
    address = status["hosts"][name]["public"][family]
    at = f"[{address}]" if family == "v6" else address
    options = f"-o UserKnownHostsFile={status['known_hosts']} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
    return testinfra.get_host(f"ssh://{user}@{at}", ssh_identity_file=status["key"], ssh_extra_args=options)


@pytest.fixture(scope="module", params=["app1", "app2", "app3"])
def server(request: pytest.FixtureRequest, status: dict[str, Any]) -> Any:
    """Each server in turn."""
    return connect(status, request.param)


@pytest.fixture(scope="module")
def client(status: dict[str, Any]) -> Any:
    """The host that judges from outside."""
    return connect(status, "client")


def test_a_second_up_changes_nothing(status: dict[str, Any]) -> None:
    ids = subprocess.run(["docker", "ps", "-q"], capture_output=True, text=True, check=True).stdout
    done = lab("up", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == status
    assert subprocess.run(["docker", "ps", "-q"], capture_output=True, text=True, check=True).stdout == ids


def test_a_server_is_a_whole_system(server: Any) -> None:
    assert server.system_info.distribution == "debian"
    assert server.process.get(pid=1).comm == "systemd"
    assert server.run("systemctl is-system-running --wait").stdout.strip() == "running"
    assert server.run("/usr/bin/python3 --version").stdout.startswith("Python 3.13")
    assert server.service("ssh").is_running or server.service("ssh.socket").is_running
    assert not server.mount_point("/etc/hosts").exists


def test_a_server_keeps_packages_at_hand(server: Any) -> None:
    for package in ("docker.io", "docker-cli", "docker-buildx", "containerd", "runc", "iptables"):
        plan = server.run("apt-get install -y --no-install-recommends --download-only --no-download %s", package)
        assert plan.rc == 0, plan.stderr


def test_each_server_has_its_own_host_key_and_machine_id(status: dict[str, Any]) -> None:
    keys = [line.split()[2] for line in Path(status["known_hosts"]).read_text().splitlines()]
    assert len(set(keys)) == len(keys)
    ids = {connect(status, name).file("/etc/machine-id").content_string for name in status["servers"]}
    assert len(ids) == len(status["servers"])


def test_ops_becomes_root_without_a_password(status: dict[str, Any]) -> None:
    assert connect(status, "app1", user="ops").run("sudo -n id -u").stdout.strip() == "0"


def test_servers_answer_on_ipv6(status: dict[str, Any]) -> None:
    assert connect(status, "app1", family="v6").run("true").rc == 0


def test_servers_reach_each_other_on_both_networks(status: dict[str, Any]) -> None:
    other, here = status["hosts"]["app2"], connect(status, "app1")
    for network in ("public", "private"):
        for family in ("v4", "v6"):
            assert here.run("ping -c 1 -W 2 %s", other[network][family]).rc == 0


def test_the_client_stands_outside(client: Any, status: dict[str, Any]) -> None:
    host = status["hosts"]["app1"]
    for family in ("v4", "v6"):
        assert client.run("nc -z -w 2 %s 22", host["public"][family]).rc == 0
        assert client.run("nc -z -w 1 %s 22", host["private"][family]).rc != 0
    assert client.run("python3 /opt/lab/load.py --help").rc == 0


def test_the_git_server_serves_https_and_ssh(client: Any, status: dict[str, Any]) -> None:
    authority = Path(status["ca"]).read_text()
    client.run("printf %%s %s > /tmp/lab-ca.crt", authority)
    seen = client.run("git -c http.sslCAInfo=/tmp/lab-ca.crt ls-remote https://git.lab/shop.git refs/heads/main")
    assert seen.rc == 0, seen.stderr
    assert client.run("git -c http.sslCAInfo=/tmp/lab-ca.crt push https://git.lab/shop.git HEAD:x").rc != 0
    commands = f"ssh -i {status['key']} -o UserKnownHostsFile={status['known_hosts']} -o StrictHostKeyChecking=yes"
    remote = f"ssh://git@{status['hosts']['git']['public']['v4']}/shop.git"
    over_ssh = subprocess.run(
        ["git", "-c", f"core.sshCommand={commands}", "ls-remote", remote, "refs/heads/main"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert over_ssh.stdout == seen.stdout


def test_private_repositories_ask_for_a_password(client: Any) -> None:
    answer = client.run("curl -sk -o /dev/null -w %{http_code} https://git.lab/private/none.git/info/refs")
    assert answer.stdout == "401"


def test_the_mirror_serves_official_names(server: Any) -> None:
    official = ("python:3.13-slim", "haproxy:lts", "nginx:1", "node:20-slim", "debian:trixie", "postgres:17", "redis:8")
    for image in (*(f"library/{name}" for name in official), "valkey/valkey:8.1"):
        name, tag = image.split(":")
        answer = server.run("curl -sf http://mirror.lab:5000/v2/%s/manifests/%s", name, tag)
        assert answer.rc == 0, image


def test_a_server_without_power_comes_back_with_its_disk(status: dict[str, Any]) -> None:
    before = connect(status, "app3").run("touch /root/kept && cat /etc/machine-id").stdout
    assert lab("kill", "app3").returncode == 0
    assert lab("start", "app3").returncode == 0
    assert connect(status, "app3").run("rm /root/kept && cat /etc/machine-id").stdout == before


def test_a_lab_removes_itself_whole() -> None:
    name = "test-gone"

    def docker(*words: str) -> list[str]:
        return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.split()

    def left(*kind: str) -> list[str]:
        return docker(*kind, "ls", "-q", "--filter", f"label=longshore.lab={name}")

    try:
        made = lab("up", "--name", name, "--servers", "1", "--no-mirror")
        assert made.returncode == 0, made.stderr
        containers = docker("ps", "-aq", "--filter", f"label=longshore.lab={name}")
        mounts = "{{range .Mounts}}{{.Type}}:{{.Name}} {{end}}"
        mounted = docker("inspect", "-f", mounts, f"longshore-{name}-app1")
        volumes = [each.partition(":")[2] for each in mounted if each.startswith("volume:")]
        assert len(containers) == 4
        assert volumes, "of the server: the mirror's is for all labs"
        assert left("network")
    finally:
        done = lab("down", "--name", name)
    assert done.returncode == 0, done.stderr
    assert docker("ps", "-aq", "--filter", f"label=longshore.lab={name}") == []
    assert left("network") == []
    assert not set(volumes) & set(docker("volume", "ls", "-q"))
    assert not (ROOT / ".lab" / name).exists()


def test_wrong_words_are_refused() -> None:
    assert "app1, app2, app3" in lab("kill", "app99").stderr
    assert "cannot name a lab" in lab("up", "--name", "../x").stderr
    assert "there is no lab" in lab("status", "--name", "nowhere").stderr
