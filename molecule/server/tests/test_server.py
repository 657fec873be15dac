# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of the role was promised."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

SCENARIO = Path(__file__).resolve().parents[1]
INVENTORY = str(SCENARIO.parent / "inventory/lab.py")
PLAIN = {**os.environ, "ANSIBLE_FORCE_COLOR": "0"}
testinfra_hosts = ["ansible://app1"]


def converge(*options: str) -> str:
    """Run the scenario's converge once more; gives its output."""
    argv = ["ansible-playbook", "-i", INVENTORY, str(SCENARIO / "converge.yml"), "--diff", *options]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=PLAIN)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_name_and_time(host: Any) -> None:
    assert host.check_output("hostname") == "app1"
    assert host.check_output("date -d '2026-07-01 12:00 UTC' +%Z") == "CEST"


def test_names_resolve(host: Any) -> None:
    assert host.check_output("getent hosts db2.molecule.example").split()[0] == "192.0.2.21"


def test_kernel_settings_hold_now_and_after_a_restart(host: Any) -> None:
    assert host.sysctl("net.ipv4.tcp_keepalive_time") == 540
    assert host.file("/etc/sysctl.d/80-longshore-server.conf").contains("net.ipv4.tcp_keepalive_time = 540")


def test_the_user_may_what_was_said_and_no_more(host: Any) -> None:
    assert host.run("su molecule -c 'sudo -n /usr/bin/id -u'").stdout.strip() == "0"
    assert host.run("su molecule -c 'sudo -n /usr/bin/env'").rc != 0
    assert "adm" in host.user("molecule").groups
    assert host.user("molecule").expiration_date.isoformat().startswith("2040-01-31")
    keys = host.file("/home/molecule/.ssh/authorized_keys")
    assert (keys.user, keys.mode) == ("molecule", 0o600)


def test_the_authority_is_trusted(host: Any) -> None:
    path = "/usr/local/share/ca-certificates/longshore-molecule.molecule.crt"
    assert host.run(f"openssl verify -CApath /etc/ssl/certs {path}").rc == 0


def test_only_security_updates_and_not_the_engine(host: Any) -> None:
    assert host.check_output("apt-config dump APT::Periodic::Unattended-Upgrade").strip().endswith('"1";')
    origins = host.check_output("apt-config dump Unattended-Upgrade::Origins-Pattern")
    assert all("ecurity" in line for line in origins.splitlines() if "origin=" in line)
    assert '"containerd"' in host.check_output("apt-config dump Unattended-Upgrade::Package-Blacklist")
    assert host.service("apt-daily-upgrade.timer").is_enabled


def test_drift_is_found_predicted_and_repaired(host: Any) -> None:
    host.run_expect([0], "sysctl -qw net.ipv4.tcp_keepalive_time=7200")
    host.run_expect([0], "echo stranger >>/etc/sudoers.d/longshore-molecule")
    predicted = converge("--check")
    assert host.sysctl("net.ipv4.tcp_keepalive_time") == 7200
    done = converge()
    lines = [line for line in predicted.splitlines() if line.startswith(("+", "-"))]
    assert lines == [line for line in done.splitlines() if line.startswith(("+", "-"))]
    assert host.sysctl("net.ipv4.tcp_keepalive_time") == 540
    assert "changed=0" in converge()


def test_keys_of_others_stay(host: Any) -> None:
    host.run_expect([0], "echo 'ssh-rsa THEIRS x' >>/home/molecule/.ssh/authorized_keys")
    assert "changed=0" in converge()
    assert host.file("/home/molecule/.ssh/authorized_keys").contains("THEIRS")
