# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users of the role were promised."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
INVENTORY = str(SCENARIO.parent / "inventory/lab.py")
PLAIN = {**os.environ, "ANSIBLE_FORCE_COLOR": "0"}
# Of a plain Debian 13 it is 60.
LEAST_INDEX = 68
testinfra_hosts = ["ansible://app1"]


def converge(*options: str) -> str:
    """Run the scenario's converge once more."""
    argv = ["ansible-playbook", "-i", INVENTORY, str(SCENARIO / "converge.yml"), *options]
    return subprocess.run(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, env=PLAIN
    ).stdout


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("net.ipv4.conf.default.accept_redirects", "0"),
        ("net.ipv6.conf.all.accept_redirects", "0"),
        ("net.ipv4.conf.all.send_redirects", "0"),
        ("net.ipv4.conf.all.log_martians", "1"),
    ],
)
def test_the_kernel_refuses_what_nobody_needs(host: Any, key: str, value: str) -> None:
    assert host.check_output("sysctl -n %s", key) == value


def test_a_user_leaves_no_memory_behind_and_shares_no_files(host: Any) -> None:
    assert host.check_output("su - ops -c 'ulimit -Hc'") == "0"
    assert host.check_output("su - ops -c umask") == "0027"
    assert host.check_output("su - ops -c 'touch made && stat -c %a made; rm made'") == "640"
    assert host.check_output("su - ops -c 'echo $TMPDIR'").startswith("/tmp/user/")


def test_what_is_run_with_sudo_is_kept(host: Any) -> None:
    host.check_output("su - ops -c 'sudo true'")
    assert "USER=root ; COMMAND=/usr/bin/true" in host.file("/var/log/sudo.log").content_string.replace("\n    ", " ")


def test_modules_are_refused(host: Any) -> None:
    # The lab's servers have no modules of their own to try it with.
    refused = host.file("/etc/modprobe.d/longshore-hardening.conf").content_string
    assert "install sctp /bin/false\nblacklist sctp\n" in refused


def test_others_do_not_see_what_cron_runs(host: Any) -> None:
    assert host.run("su - ops -c 'ls /etc/cron.d'").rc != 0


def test_the_audit_has_rules_and_is_passed_over_in_a_container(host: Any) -> None:
    rules = host.file("/etc/audit/rules.d/longshore.rules").content_string
    assert "-w /etc/longshore -p wa -k containers" in rules
    assert host.run("systemctl is-failed audit-rules.service auditd.service").stdout.split() == ["inactive", "inactive"]


def test_lynis_sees_it(host: Any) -> None:
    host.check_output("cd / && lynis audit system --quick --no-colors --report-file /root/molecule-lynis.dat")
    report = host.file("/root/molecule-lynis.dat").content_string
    host.check_output("rm /root/molecule-lynis.dat")
    index = int(report.partition("hardening_index=")[2].split()[0])
    assert index >= LEAST_INDEX, report


def test_check_mode_predicts_and_a_switch_goes_back(host: Any) -> None:
    off = ("-e", '{"hardening_modules": [], "hardening_sudo_log": false}')
    assert "changed=1" in converge("--check", *off)
    assert host.file("/etc/sudoers.d/longshore-hardening").exists
    converge(*off)
    assert not host.file("/etc/sudoers.d/longshore-hardening").exists
    assert not host.file("/etc/modprobe.d/longshore-hardening.conf").exists
    assert "changed=1" in converge()
