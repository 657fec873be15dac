# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack file as an inventory, asked as Ansible's own commands ask it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.plugin_utils import reachability

BIN = Path(sys.executable).parent
STACK = """
plugin: longshore.stack.stack
name: shop
ssh: {user: ops, port: 2222}
servers:
  app1: {address: 198.51.100.11, private_address: 10.77.0.11, tags: [app, lb, build]}
  app2: {address: 198.51.100.12, private_address: 10.77.0.12, tags: [app, lb]}
  db1: {address: 10.77.0.21, tags: [db], ssh: {user: root, port: 22, gateway: app1}}
secrets:
  token: {env: SHOP_TOKEN}
  key: {generate: 32}
volumes:
  data: {type: local, server: app2}
services:
  cache: {image: "redis:7", volumes: ["data:/data"]}
  web:
    build: {git: "git@git.example:shop.git", auth: {ssh_key: "{{ secrets.token }}"}}
    environment: {PLAIN: "1", TOKEN: "{{ secrets.token }}"}
    routes: [{host: shop.example, port: 3000}]
    replicas: 2
"""


def inventory(directory: Path, text: str = STACK, **environment: str) -> dict[str, Any]:
    """What ``ansible-inventory --list`` says."""
    (directory / "stack.yml").write_text(text)
    done = subprocess.run(
        [str(BIN / "ansible-inventory"), "-i", "stack.yml", "--list"],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )

    # Values of an inventory are marked as not to be templated; the mark is no part of them.
    def plain(mapping: dict[str, Any]) -> Any:
        return mapping["__ansible_unsafe"] if list(mapping) == ["__ansible_unsafe"] else mapping

    result: dict[str, Any] = json.loads(done.stdout, object_hook=plain)
    return result


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The inventory of ``STACK``."""
    return inventory(tmp_path_factory.mktemp("inventory"), SHOP_TOKEN="a-token-that-nobody-sees")


def test_groups_by_role_and_tag(listed: dict[str, Any]) -> None:
    members = {name: group["hosts"] for name, group in listed.items() if "hosts" in group}
    assert members["longshore"] == ["app1", "app2", "db1"]
    assert members["docker_host"] == ["app1", "app2"]
    assert members["swarm_manager"] == ["app1"]
    assert members["registry"] == members["builder"] == ["app1"]
    assert members["load_balancer"] == ["app1", "app2"]
    assert members["volume_host"] == ["app2"]
    assert members["tag_db"] == ["db1"]


def test_connection_needs_no_configuration(listed: dict[str, Any]) -> None:
    app1, db1 = (listed["_meta"]["hostvars"][name] for name in ("app1", "db1"))
    assert (app1["ansible_host"], app1["ansible_port"], app1["ansible_user"]) == ("198.51.100.11", 2222, "ops")
    assert app1["ansible_become"] is True
    assert app1["ansible_ssh_pipelining"] is True
    assert "ansible_become" not in db1
    assert "198.51.100.11" in db1["ansible_ssh_common_args"]


def test_what_stacks_share_is_said(listed: dict[str, Any]) -> None:
    app2, db1 = (listed["_meta"]["hostvars"][name]["server_cluster"] for name in ("app2", "db1"))
    assert app2["name of this server"] == "app2"
    assert app2["registry.server"] == "app1 at 10.77.0.11"
    # A time zone that no stack names stays; daemon.json has a default for what none names.
    assert app2["timezone"] is None
    assert app2["docker.log"] == "default"
    assert app2["docker.registry_mirrors"] == []
    assert app2["swarm.heartbeat"] == 2.0
    assert not any(key.startswith(("docker.", "swarm.")) for key in db1)


def test_secret_values_are_references(listed: dict[str, Any]) -> None:
    text = json.dumps(listed)
    assert "a-token-that-nobody-sees" not in text
    app1 = listed["_meta"]["hostvars"]["app1"]
    assert "SHOP_TOKEN" in app1["services_secrets"]["token"]
    assert app1["services_services"]["web"]["secret_environment"] == ["TOKEN"]
    assert app1["services_services"]["web"]["environment"] == {"PLAIN": "1"}
    assert app1["build_git_auth"] == [{"services": ["web"], "ssh_key": "{{ secrets.token }}"}]
    assert "auth" not in app1["longshore_builds"]["web"]


def play(directory: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run the guard alone on a stack file."""
    (directory / "stack.yml").write_text(text)
    return subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", "stack.yml", "longshore.stack.guard"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


def test_file_that_was_not_understood_fails_the_run(tmp_path: Path) -> None:
    done = play(tmp_path, STACK.replace("replicas: 2", "replcas: 2"))
    assert done.returncode == 2
    assert "stack.yml:20:5: services.web.replcas" in done.stdout + done.stderr
    assert "did you mean 'replicas'" in done.stdout + done.stderr


def test_inventory_without_a_stack_fails_the_run(tmp_path: Path) -> None:
    done = play(tmp_path, "all: {hosts: {app1: {}}}\n")
    assert done.returncode == 2
    assert "no server is in the group 'longshore'" in done.stdout + done.stderr


def test_reachable_is_who_greets_as_an_ssh_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as greeting, socket.create_server(("127.0.0.1", 0)) as refusing:

        def greet() -> None:
            connection, _ = greeting.accept()
            with connection:
                connection.sendall(b"SSH-2.0-test\r\n")

        threading.Thread(target=greet, daemon=True).start()
        servers = {
            "alive": {"ansible_host": "127.0.0.1", "ansible_port": greeting.getsockname()[1]},
            "dead": {"ansible_host": "127.0.0.1", "ansible_port": refusing.getsockname()[1]},
            "behind": {"ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ProxyCommand=ssh"},
            "local": {"ansible_connection": "local"},
        }
        refusing.close()
        assert reachability.unreachable(servers) == {"dead"}


@pytest.mark.parametrize(
    ("missing", "problem"),
    [
        (set(), None),
        ({"a"}, None),
        ({"a", "b"}, "2 of 3 Swarm managers do not answer on SSH (a, b)"),
        ({"d"}, "no load balancer answers"),
    ],
)
def test_too_few_servers_stop_the_run(missing: set[str], problem: str | None) -> None:
    groups = {"swarm_manager": ["a", "b", "c"], "load_balancer": ["d"]}
    found = reachability.unsafe(groups, missing)
    assert (found is None) if problem is None else (found is not None and problem in found)
