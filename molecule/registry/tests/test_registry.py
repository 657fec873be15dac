# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of the role was promised."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
ROOT = SCENARIO.parents[1]
NAME = "registry.longshore.internal:5000"
PASSWORD = "molecule-7fK2pQ"
testinfra_hosts = ["ansible://app1"]


def status(host: Any, *options: str) -> str:
    """The status with which the registry answers; curl's configuration comes over standard input."""
    words = " ".join(f"'{option}'" for option in options)
    command = (
        f"curl -s -o /dev/null -w '%{{http_code}}' --cacert /root/molecule-registry.crt {words} https://{NAME}/v2/"
    )
    return str(host.run(command).stdout)


def attempt(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run the scenario's converge once more."""
    words = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
    inventory = str(ROOT / "molecule/inventory/lab.py")
    argv = ["ansible-playbook", "-i", inventory, str(SCENARIO / "converge.yml"), "--diff", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})


def converge(**variables: str) -> str:
    """Run the scenario's converge once more, with success; gives its output."""
    done = attempt(**variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_strangers_get_nothing(host: Any) -> None:
    assert status(host) == "401"
    assert status(host, "-u", "longshore:wrong") == "401"


def test_the_password_opens_it(host: Any) -> None:
    assert status(host, "-u", f"longshore:{PASSWORD}") == "200"


def test_nothing_is_served_without_tls(host: Any) -> None:
    assert host.run(f"curl -s -o /dev/null -w '%{{http_code}}' http://{NAME}/v2/").stdout == "400"


def test_it_serves_as_a_user_without_rights(host: Any) -> None:
    process = host.process.get(comm="docker-registry")
    assert process.user == "docker-registry"
    assert host.file(f"/proc/{process.pid}/status").contains("CapEff:\t0000000000000000")
    assert host.file(f"/proc/{process.pid}/status").contains("NoNewPrivs:\t1")


@pytest.mark.parametrize("name", ["tls.key", "password", "users"])
def test_secrets_are_readable_by_their_users_only(host: Any, name: str) -> None:
    file = host.file(f"/etc/longshore/registry/{name}")
    assert file.mode & 0o007 == 0
    assert (file.user, file.group) == ("root", "root" if name == "password" else "docker-registry")


def test_the_password_is_not_in_the_process_list_nor_in_the_journal(host: Any) -> None:
    assert PASSWORD not in host.run("ps auxe").stdout
    assert PASSWORD not in host.run("journalctl -o cat --no-pager -u docker-registry").stdout


def test_another_server_pushes_and_pulls(host: Any) -> None:
    other = host.get_host("ansible://app2", ansible_inventory=str(ROOT / "molecule/inventory/lab.py"))
    image = f"{NAME}/molecule/busybox:1"
    config = "export DOCKER_CONFIG=$(mktemp -d)"
    script = (
        f"{config} && echo '{PASSWORD}' | docker login -u longshore --password-stdin {NAME} && docker pull -q busybox"
        f" && docker tag busybox {image} && docker push -q {image} && docker rmi {image} && docker pull -q {image}"
        " && rm -r $DOCKER_CONFIG"
    )
    done = other.run(script)
    assert done.rc == 0, done.stderr
    assert other.run(f"docker run --rm {image} echo it runs").stdout == "it runs\n"
    assert other.run(f"docker pull {NAME}/molecule/nosuch").rc != 0


def test_what_no_kept_release_needs_leaves_the_registry(host: Any) -> None:
    other = host.get_host("ansible://app2", ansible_inventory=str(ROOT / "molecule/inventory/lab.py"))
    images = [f"{NAME}/sweep/web:{number * 12}-01234567" for number in "ab"]
    made = " && ".join(
        f"echo 'FROM busybox\nRUN head -c 2000000 /dev/urandom >/{image[-20]}' | docker build -q -t {image} -"
        f" && docker push -q {image}"
        for image in images
    )
    login = (
        f"export DOCKER_CONFIG=$(mktemp -d) && echo '{PASSWORD}' | docker login -u longshore --password-stdin {NAME}"
    )
    other.run_expect([0], f"{login} && {made}")
    kept = other.check_output(f"docker image inspect -f '{{{{index .RepoDigests 0}}}}' {images[1]}").strip()
    data = "/var/lib/longshore/molecule-registry"
    host.run_expect([0], f"mkdir -p /var/lib/longshore/sweep && echo {kept} >/var/lib/longshore/sweep/images")
    before = int(host.check_output(f"du -sk {data}").split()[0])
    sweep = f"python3 /usr/lib/longshore/sweep-registry --data {data} --days 0 --newest 0"
    try:
        assert "next time" in host.check_output(sweep)
        done = host.check_output(f"{sweep} --quiet 0")
    finally:
        host.run("rm -r /var/lib/longshore/sweep")
    assert done.count("removed ") == 1
    assert before - int(host.check_output(f"du -sk {data}").split()[0]) > 1500
    host.run_expect([0], f"timeout 20 sh -c 'until curl -sk https://{NAME}/v2/ >/dev/null; do sleep 0.1; done'")
    other.run(f"docker rmi -f {' '.join(images)} {kept}")
    assert other.run(f"{login} && docker pull -q {kept}").rc == 0
    assert other.run(f"{login} && docker pull -q {images[0]}").rc != 0
    # What was removed can come again, layers and all.
    other.run_expect([0], f"{login} && docker pull -q busybox && {made}")
    assert host.service("longshore-registry-sweep.timer").is_running


def test_another_password_takes_effect_and_is_not_shown(host: Any) -> None:
    try:
        output = converge(password="another-9xLm4")
        assert "changed=1" in output
        assert "another-9xLm4" not in output
        assert PASSWORD not in output
        assert status(host, "-u", "longshore:another-9xLm4") == "200"
        assert status(host, "-u", f"longshore:{PASSWORD}") == "401"
    finally:
        converge()
    assert status(host, "-u", f"longshore:{PASSWORD}") == "200"


def test_another_server_does_not_begin_without_the_images(host: Any) -> None:
    other = host.get_host("ansible://app2", ansible_inventory=str(ROOT / "molecule/inventory/lab.py"))
    done = attempt(where="app2", others="app1,app2")
    assert done.returncode != 0
    assert "to run on app2, but its images are on app1" in " ".join((done.stdout + done.stderr).split())
    assert not other.file("/etc/longshore/registry").exists
    # Where they are it stays as it is, whoever else is asked.
    assert "changed=0" in converge(others="app2")


def test_images_survive_a_restart(host: Any) -> None:
    before = host.run(f"curl -s -k -u 'longshore:{PASSWORD}' https://{NAME}/v2/_catalog").stdout
    assert "molecule/busybox" in before
    host.run_expect([0], "systemctl restart docker-registry")
    host.run_expect([0], f"timeout 20 sh -c 'until curl -sk https://{NAME}/v2/ >/dev/null; do sleep 0.1; done'")
    assert host.run(f"curl -s -k -u 'longshore:{PASSWORD}' https://{NAME}/v2/_catalog").stdout == before
