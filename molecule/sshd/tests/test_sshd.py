# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of the role was promised, seen from a client that stands outside."""

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

SCENARIO = Path(__file__).resolve().parents[1]
ROOT = SCENARIO.parents[1]
LAB = os.environ.get("LAB", "lab")
DROPIN = "/etc/ssh/sshd_config.d/00-longshore.conf"
testinfra_hosts = ["ansible://app2"]


def lab(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "molecule/shared/lab"), *words]
    return subprocess.run(command, check=check, capture_output=True, text=True)


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab("status", "--name", LAB, "--json").stdout)
    return found


@pytest.fixture(scope="module")
def client(described: dict[str, Any]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command on the client."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        container = described["hosts"]["client"]["container"]
        return subprocess.run(["docker", "exec", container, *words], capture_output=True, text=True, check=False)

    return run


def converge(*options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run the scenario's converge once more; failures are told on standard error, so both are read."""
    judge = json.loads(lab("status", "--name", LAB, "--json").stdout)["hosts"]["client"]["public"]["v4"]
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i", str(ROOT / "molecule/inventory/lab.py"), str(SCENARIO / "converge.yml"), "--diff",
        "-e", json.dumps(variables), *options,
    ]  # fmt: skip
    environment = {**os.environ, "LAB": LAB, "ANSIBLE_FORCE_COLOR": "0", "JUDGE": judge}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / ".ansible/collections")
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False
    )


@pytest.fixture(scope="module", autouse=True)
def spared() -> None:
    """The client is not turned away for asking often."""
    done = converge()
    assert done.returncode == 0, done.stdout


def comes_in() -> bool:
    """Whether a new connection is let in."""
    return lab("ssh", "--name", LAB, "app2", "--", "true", check=False).returncode == 0


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def test_ssh_audit_has_nothing_to_warn_of(
    client: Callable[..., subprocess.CompletedProcess[str]], described: dict[str, Any]
) -> None:
    address = described["hosts"]["app2"]["public"]["v4"]
    done = client("ssh-audit", "--no-colors", "--skip-rate-test", address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[fail]" not in done.stdout
    assert "[warn]" not in done.stdout


def test_nobody_is_asked_for_a_password(
    client: Callable[..., subprocess.CompletedProcess[str]], described: dict[str, Any]
) -> None:
    address = described["hosts"]["app2"]["public"]["v4"]
    options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    done = client("ssh", "-F", "none", *options, "-o", "PreferredAuthentications=password", f"ops@{address}", "true")
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_settings_that_lock_everybody_out_go_back(host: Any) -> None:
    before = host.file(DROPIN).content_string
    done = converge(settings={"AllowUsers": "nobody"})
    assert done.returncode != 0
    assert "nobody could log in with the new settings of sshd" in done.stdout
    wait_for(comes_in)
    assert host.file(DROPIN).content_string == before
    assert "changed=0" in converge().stdout


def test_they_go_back_without_the_run_too(host: Any) -> None:
    before = host.file(DROPIN).content_string
    host.check_output("/usr/lib/longshore/sshd-guard arm 2")
    host.check_output("echo 'AllowUsers nobody' >%s; systemctl reload ssh", DROPIN)
    assert not comes_in()
    wait_for(comes_in)
    assert host.file(DROPIN).content_string == before
    assert host.run("systemctl is-active longshore-sshd-revert.timer").stdout.strip() != "active"


def test_what_was_confirmed_stays(host: Any) -> None:
    assert converge(idle=600).returncode == 0
    assert "ClientAliveInterval 200" in host.file(DROPIN).content_string
    assert host.run("systemctl is-active longshore-sshd-revert.timer").stdout.strip() != "active"
    assert "changed=0" in converge(idle=600).stdout
    assert converge().returncode == 0


def test_what_sshd_refuses_or_ignores_is_told_before_it_counts(host: Any) -> None:
    before = host.file(DROPIN).content_string
    done = converge(settings={"Nonsense": "yes"})
    assert done.returncode != 0
    assert "Nonsense" in done.stdout
    host.check_output("echo 'X11Forwarding yes' >/etc/ssh/sshd_config.d/00-first.conf")
    try:
        done = converge(idle=30)
        assert done.returncode != 0
        assert "says otherwise of x11forwarding" in done.stdout
    finally:
        host.check_output("rm /etc/ssh/sshd_config.d/00-first.conf")
    assert host.file(DROPIN).content_string == before
    assert comes_in()


def test_what_would_change_is_told_and_nothing_is_touched(host: Any) -> None:
    assert "+ClientAliveInterval 10" in converge("--check", idle=30).stdout
    assert "ClientAliveInterval 100" in host.file(DROPIN).content_string
