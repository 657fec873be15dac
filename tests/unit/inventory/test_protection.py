# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stack file says of bans and SSH servers, as the roles get it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import protection
from longshore.definition import load
from longshore.stack import BadInput, Stack

HEAD = """
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, private_address: 10.77.0.11, tags: [app, lb]}
  db1: {address: db1.example, private_address: 10.77.0.21, tags: [db]}
services: {web: {image: "nginx:1", routes: [{port: 80}]}}
"""


def path(directory: Path, text: str) -> Path:
    (directory / "shop.yml").write_text(HEAD + text)
    return directory / "shop.yml"


def variables(directory: Path, text: str) -> dict[str, Any]:
    return protection.variables(load(path(directory, text)))


def test_nothing_is_done_unless_it_is_asked_for(tmp_path: Path) -> None:
    definition = load(path(tmp_path, ""))
    assert not any(protection.members(definition).values())
    assert protection.variables(definition)["haproxy_limit_requests"] == 0
    assert protection.shared(definition) == {}


def test_bans_bring_a_limit_of_requests_and_spare_the_stack(tmp_path: Path) -> None:
    found = variables(tmp_path, "bans: {ignore: 203.0.113.0/24, ssh: 3, logins: {paths: [/admin]}, floods: false}\n")
    assert found["fail2ban_ignore"] == ["198.51.100.11", "10.77.0.11", "10.77.0.21", "203.0.113.0/24"]
    assert found["haproxy_limit_except"] == found["fail2ban_ignore"] == found["sshd_spared"]
    assert (found["haproxy_limit_requests"], found["haproxy_limit_per"]) == (1500, 60.0)
    assert found["fail2ban_sshd_attempts"] == 3
    assert found["fail2ban_login_paths"] == ["/admin"]
    assert found["fail2ban_flood_attempts"] == 0
    # What is left out has the role's own default.
    assert "fail2ban_scanner_paths" not in found


def test_an_own_limit_stays(tmp_path: Path) -> None:
    found = variables(tmp_path, "bans: true\nload_balancer: {rate_limit: false}\n")
    assert found["haproxy_limit_requests"] == 0
    found = variables(tmp_path, "load_balancer: {rate_limit: {requests: 9, per: 10s, ignore: 203.0.113.0/24}}\n")
    assert (found["haproxy_limit_requests"], found["haproxy_limit_per"]) == (9, 10.0)
    assert "203.0.113.0/24" in found["haproxy_limit_except"]


def test_false_ends_what_was(tmp_path: Path) -> None:
    members = protection.members(load(path(tmp_path, "bans: false\nsshd: false\n")))
    assert members["former_fail2ban"] == members["former_sshd"] == ["app1", "db1"]
    assert members["fail2ban"] == members["sshd"] == []


def test_measures_of_ssh_are_the_roles_variables(tmp_path: Path) -> None:
    found = variables(tmp_path, "sshd: {keys_only: false, idle: 1m, settings: {MaxAuthTries: 3}}\n")
    assert found["sshd_keys_only"] is False
    assert found["sshd_idle"] == 60
    assert found["sshd_settings"] == {"MaxAuthTries": "3"}


def test_stacks_must_agree_but_on_whom_they_spare(tmp_path: Path) -> None:
    says = protection.shared(load(path(tmp_path, "bans: {ignore: 203.0.113.0/24, duration: 1h}\n")))
    assert says["bans.duration"] == 3600.0
    assert "bans.ignore" not in says


@pytest.mark.parametrize(
    ("address", "duration", "words"),
    [
        ("198.51.100.0/24", "1d", "198.51.100.11/32 is a server of the stack"),
        ("203.0.113.9", "1d", "never banned"),
        ("example", "1d", "neither an IP address nor a network"),
        ("192.0.2.1", "soon", "no duration"),
    ],
)
def test_what_is_not_to_be_banned_is_refused(tmp_path: Path, address: str, duration: str, words: str) -> None:
    stack = Stack.load(path(tmp_path, "bans: {ignore: 203.0.113.0/24}\n"))
    with pytest.raises(BadInput, match=words):
        stack.bans_job("add", [address], duration=duration)
    stack.bans_job("remove", ["203.0.113.9"])


def test_a_stack_without_bans_says_how_to_have_them(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="bans: true"):
        Stack.load(path(tmp_path, "")).bans_job("list")
