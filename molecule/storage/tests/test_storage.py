# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users of storage, ca and credentials were promised."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from testinfra.utils.ansible_runner import AnsibleRunner

SCENARIO = Path(__file__).resolve().parents[1]
INVENTORY = str(SCENARIO.parent / "inventory/lab.py")
PLAIN = {**os.environ, "ANSIBLE_FORCE_COLOR": "0"}
KEYS = "/etc/longshore/molecule"
DATA = "/var/lib/longshore/molecule/volumes/data"
testinfra_hosts = ["ansible://app1"]


def converge(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the scenario's converge once more."""
    argv = ["ansible-playbook", "-i", INVENTORY, str(SCENARIO / "converge.yml"), "-vv", *options]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=PLAIN)


def hosts() -> list[Any]:
    """All servers of the scenario."""
    others = AnsibleRunner(INVENTORY)
    return [others.get_host(name) for name in ("app1", "app2", "app3")]


def test_the_volume_is_its_owners(host: Any) -> None:
    found = host.file(DATA)
    assert (found.uid, found.gid, found.mode) == (4711, 4711, 0o750)


def test_data_keeps_its_owner(host: Any) -> None:
    host.run_expect([0], f"touch {DATA}/kept")
    refused = converge("-e", "owner=4712")
    assert refused.returncode == 2
    assert "change the owner of the data yourself" in refused.stdout
    assert host.file(DATA).uid == 4711
    host.run_expect([0], f"rm {DATA}/kept")


def test_a_service_makes_its_volume_its_own(host: Any) -> None:
    directory = "/var/lib/longshore/molecule/volumes/database"
    assert (host.file(directory).uid, host.file(directory).mode) == (0, 0o755)
    # As the images of PostgreSQL and Redis do when they start.
    host.run_expect([0], f"touch {directory}/PG_VERSION && chown -R 999:999 {directory} && chmod 0700 {directory}")
    done = converge()
    assert done.returncode == 0, done.stdout
    assert re.search(r"^app1\s+: ok=\d+\s+changed=0", done.stdout, re.MULTILINE), done.stdout
    assert (host.file(directory).uid, host.file(directory).mode) == (999, 0o700)


def test_keys_are_equal_where_they_should_be_and_nowhere_else(host: Any) -> None:
    first, second, third = hosts()
    for name in ("cluster.key", "ca.key", "ca.crt"):
        assert first.file(f"{KEYS}/{name}").content == second.file(f"{KEYS}/{name}").content
    assert third.file(f"{KEYS}/ca.crt").content == first.file(f"{KEYS}/ca.crt").content
    assert not third.file(f"{KEYS}/ca.key").exists
    assert third.file(f"{KEYS}/cluster.key").content == first.file(f"{KEYS}/cluster.key").content
    assert first.file(f"{KEYS}/ca.key").mode == first.file(f"{KEYS}/cluster.key").mode == 0o600


def test_a_lost_copy_is_brought_back_and_no_value_is_shown(host: Any) -> None:
    first, second, _third = hosts()
    key = first.file(f"{KEYS}/cluster.key").content_string
    first.run_expect([0], f"rm {KEYS}/cluster.key {KEYS}/ca.key")
    done = converge()
    assert done.returncode == 0
    assert first.file(f"{KEYS}/cluster.key").content_string == key
    assert first.file(f"{KEYS}/ca.key").content == second.file(f"{KEYS}/ca.key").content
    assert key not in done.stdout
    assert "PRIVATE KEY" not in done.stdout


def test_the_certificate_is_good(host: Any) -> None:
    third = hosts()[2]
    verify = f"openssl verify -CAfile {KEYS}/ca.crt -verify_hostname registry.molecule.example {KEYS}/tls.crt"
    assert third.run(verify).rc == 0
    assert third.file(f"{KEYS}/tls.key").mode == 0o600


def test_a_broken_certificate_is_replaced_and_the_key_kept(host: Any) -> None:
    third = hosts()[2]
    key = third.file(f"{KEYS}/tls.key").content
    third.run_expect([0], f"echo broken >{KEYS}/tls.crt")
    assert converge().returncode == 0
    assert third.run(f"openssl verify -CAfile {KEYS}/ca.crt {KEYS}/tls.crt").rc == 0
    assert third.file(f"{KEYS}/tls.key").content == key
