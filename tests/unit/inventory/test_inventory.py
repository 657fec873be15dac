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
import time
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
registries:
  reg.example: {username: ci, password: "{{ secrets.token }}"}
  other.example: {username: ci, password: "{{ secrets.token }}"}
load_balancer: {image: "reg.example/haproxy:3.0"}
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


def test_the_registry_knows_where_else_it_may_have_been(listed: dict[str, Any]) -> None:
    assert listed["_meta"]["hostvars"]["app1"]["registry_others"] == ["app2"]


def test_connection_needs_no_configuration(listed: dict[str, Any]) -> None:
    app1, db1 = (listed["_meta"]["hostvars"][name] for name in ("app1", "db1"))
    assert (app1["ansible_host"], app1["ansible_port"], app1["ansible_user"]) == ("198.51.100.11", 2222, "ops")
    assert app1["ansible_become"] is True
    assert app1["ansible_ssh_pipelining"] is True
    assert "ansible_become" not in db1
    assert "198.51.100.11" in db1["ansible_ssh_common_args"]


def test_a_volume_is_its_services_unless_the_file_says_whose(tmp_path: Path, listed: dict[str, Any]) -> None:
    path = "/var/lib/longshore/shop/volumes/data"
    assert listed["_meta"]["hostvars"]["app2"]["storage_volumes"] == [{"name": "data", "path": path}]
    text = STACK.replace("server: app2}", 'server: app2, owner: "70", mode: 0700}')
    label = {"longshore.shop.volume.data": path}
    assert all(listed["_meta"]["hostvars"][name]["swarm_data"] == label for name in ("app1", "app2"))
    said = inventory(tmp_path, text)["_meta"]["hostvars"]["app2"]["storage_volumes"]
    assert said == [{"name": "data", "path": path, "owner": "70", "group": "70", "mode": 0o700}]


@pytest.mark.parametrize(
    ("written", "pruned", "days"),
    [("", True, 7), ("docker: {prune: false}", False, 7), ("docker: {prune: {keep: 14d}}", True, 14)],
)
def test_images_are_pruned_unless_the_file_says_no(tmp_path: Path, written: str, pruned: bool, days: int) -> None:
    app1 = inventory(tmp_path, f"{STACK}{written}\n")["_meta"]["hostvars"]["app1"]
    assert (app1["docker_host_prune"], app1["docker_host_prune_days"]) == (pruned, days)


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
    assert app1["build_git_auth"] == [{"services": ["web"], "ssh_key": "{{ secrets['token'] }}"}]
    assert "auth" not in app1["longshore_builds"]["web"]


def test_the_load_balancers_image_has_its_registrys_login(listed: dict[str, Any]) -> None:
    login = {"registry": "reg.example", "username": "ci", "password": "{{ secrets['token'] }}"}
    assert listed["_meta"]["hostvars"]["app1"]["haproxy_registry_auth"] == [login]


def play(
    directory: Path, text: str, *sources: str, playbook: str = "guard", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the guard alone, or a ``playbook``, on a stack file, or on these inventory sources."""
    (directory / "stack.yml").write_text(text)
    given = [word for source in sources or ("stack.yml",) for word in ("-i", source)]
    return subprocess.run(
        [str(BIN / "ansible-playbook"), *given, f"longshore.stack.{playbook}"],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


KEEP = """
- hosts: load_balancer
  gather_facts: false
  tasks:
    - ansible.builtin.assert: {that: "(haproxy_stats_password if false else '') == ''"}
- hosts: swarm_manager
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact: {credentials_result: {stored: {stack: {key: made-once}}}}
- hosts: load_balancer
  gather_facts: false
  tasks:
    - ansible.builtin.assert: {that: haproxy_stats_password == 'made-once'}
"""


def test_servers_that_are_no_managers_know_what_the_managers_made(tmp_path: Path) -> None:
    stats = "stats: {address: 0.0.0.0, password: '{{ secrets.key }}'}"
    text = STACK.replace("tags: [app, lb, build]", "tags: [app, build]")
    (tmp_path / "stack.yml").write_text(text.replace("load_balancer: {", f"load_balancer: {{{stats}, "))
    (tmp_path / "play.yml").write_text(KEEP)
    command = [str(BIN / "ansible-playbook"), "-i", "stack.yml", "play.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_file_that_was_not_understood_fails_the_run(tmp_path: Path) -> None:
    done = play(tmp_path, STACK.replace("replicas: 2", "replcas: 2"))
    assert done.returncode == 2
    assert "stack.yml:20:5: services.web.replcas" in done.stdout + done.stderr
    assert "did you mean 'replicas'" in done.stdout + done.stderr


@pytest.mark.parametrize("sources", [("stack.yml", "other/blog.yml"), (".",)])
def test_two_stacks_fail_the_run_and_are_not_mixed(tmp_path: Path, sources: tuple[str, ...]) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/blog.yml").write_text(STACK.replace("name: shop", "name: blog").replace("app1:", "blog1:"))
    done = play(tmp_path, STACK.replace("gateway: app1", "gateway: gate.example"), *sources)
    assert done.returncode == 2
    assert "a run is about one stack, but these are 2" in done.stdout + done.stderr
    words = [word for source in sources for word in ("-i", source)]
    listed = subprocess.run(
        [str(BIN / "ansible-inventory"), *words, "--list"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    members = json.loads(listed.stdout)["longshore"]["hosts"]
    assert ("app1" in members) != ("blog1" in members)


def test_a_file_in_a_directory_that_was_not_understood_fails_the_run(tmp_path: Path) -> None:
    done = play(tmp_path, STACK.replace("replicas: 2", "replcas: 2"), str(tmp_path))
    assert done.returncode == 2
    assert "did you mean 'replicas'" in done.stdout + done.stderr


SECRETS = """
plugin: longshore.stack.stack
name: shop
servers: {app1: {address: 127.0.0.1, ssh: {port: 1}}}
secrets:
  my-key: {env: SHOP_KEY}
  keys: {generate: 32}
  vault: !vault |
    $ANSIBLE_VAULT;1.1;AES256
    3061
services:
  web:
    image: "nginx:1"
    environment:
      KEY: "{{ secrets.my-key }}"
      KEYS: "{{ secrets.keys | upper }}"
      REGION: "{{ lookup('env', 'SHOP_REGION') }}"
      OTHER: "{{ lookup('env', 'SHOP_OTHER') | default('none', true) }}"
      FILE: "{{ lookup('file', '/nonexistent/file') }}"
"""


def checked(directory: Path, text: str, **environment: str) -> str:
    """What the guard says of a stack file and its secret values."""
    (directory / "play.yml").write_text(
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n"
        "    - longshore.stack.guard: {secrets: all, quorum: false}\n"
    )
    (directory / "stack.yml").write_text(text)
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", "stack.yml", "play.yml"],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return ("" if done.returncode == 0 else "refused: ") + done.stdout + done.stderr


def test_secret_values_that_cannot_be_had_are_named_before_anything_is_touched(tmp_path: Path) -> None:
    told = checked(tmp_path, SECRETS)
    assert told.startswith("refused: ")
    for text in (
        "secrets.my-key: the environment variable SHOP_KEY is not set",
        "services.web.environment.REGION: the environment variable SHOP_REGION is not set",
        "secrets.vault: ",
        "--vault-password-file",
    ):
        assert text in told
    assert "SHOP_OTHER" not in told
    told = checked(tmp_path, SECRETS, SHOP_KEY="k", SHOP_REGION="")
    assert "services.web.environment.FILE: " in told
    assert "/nonexistent/file" in told
    assert "REGION" not in told
    good = SECRETS.replace("  vault: !vault |\n    $ANSIBLE_VAULT;1.1;AES256\n    3061\n", "")
    good = good.replace("/nonexistent/file", "stack.yml")
    assert not checked(tmp_path, good, SHOP_KEY="k", SHOP_REGION="").startswith("refused: ")


def test_a_secret_may_be_called_anything_and_braces_can_be_written(tmp_path: Path) -> None:
    text = SECRETS.replace("KEYS:", "BRACES: \"{{ secrets.my-key }}{{ '{{' }} x }}\"\n      KEYS:")
    (tmp_path / "stack.yml").write_text(text)
    asked = (
        "{{ services_environments.web.KEY }} {{ services_environments.web.BRACES }} "
        "{{ services_environments.web.KEYS }} {{ services_environments.web.OTHER }}"
    )
    done = subprocess.run(
        [
            *(str(BIN / "ansible"), "-i", "stack.yml", "app1", "-c", "local", "-m", "ansible.builtin.debug"),
            *("-a", f"msg={json.dumps(asked)}"),
            *("-e", '{"credentials_result": {"stored": {"stack": {"keys": "made"}}}}'),
        ],
        cwd=tmp_path,
        env={**os.environ, "SHOP_KEY": "k1", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "k1 k1{{ x }} MADE none" in done.stdout, done.stdout + done.stderr


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


def test_who_is_turned_away_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "PAUSE", 0.05)
    monkeypatch.setattr(reachability, "TIMEOUT", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as busy, socket.create_server(("127.0.0.1", 0)) as silent:

        def drop_one() -> None:
            busy.accept()[0].close()
            connection, _ = busy.accept()
            with connection:
                connection.sendall(b"SSH-2.0-test\r\n")

        threading.Thread(target=drop_one, daemon=True).start()
        servers = {
            name: {"ansible_host": "127.0.0.1", "ansible_port": server.getsockname()[1]}
            for name, server in (("busy", busy), *((f"silent{number}", silent) for number in range(20)))
        }
        began = time.monotonic()
        missing = reachability.unreachable(servers)
    assert missing == servers.keys() - {"busy"}
    # All at once, and who is silent only once.
    assert 2.0 <= time.monotonic() - began < 20 * 2.0


def test_the_state_can_be_seen_without_a_load_balancer(tmp_path: Path) -> None:
    text = (
        "plugin: longshore.stack.stack\nname: shop\nservers: {app1: {address: 127.0.0.1, tags: [lb], ssh: {port: 1}}}\n"
        "services: {web: {image: x, routes: [{port: 80}]}}\n"
    )
    refused, shown = play(tmp_path, text), play(tmp_path, text, playbook="status")
    assert "1 of 1 Swarm managers do not answer" in refused.stdout + refused.stderr
    # The managers are asked themselves.
    assert "nothing was touched" not in shown.stdout + shown.stderr
    assert "TASK [See who manages the Swarm]" in shown.stdout


DATABASES = """
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, private_address: 10.77.0.11, tags: [app]}
  db1: {address: 198.51.100.21, private_address: 10.77.0.21, tags: [db]}
  db2: {address: 198.51.100.22, private_address: fd00::22, tags: [db]}
databases:
  my-db:
    {engine: postgresql, servers: [db2, db1], synchronous: true, extensions: [vector], settings: {work_mem: 9MB},
     also: [more-of]}
services:
  web:
    image: x
    environment:
      URL: "{{ databases.my-db.url }}"
      READ: "{{ databases.my-db.reader_url }}"
      FILTERED: "{{ databases.my-db.password | length }}"
"""
ASKED = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        credentials_result:
          stored:
            databases:
              {my-db.owner: of-owner, my-db.reader: "1:of-reader", my-db.rewind: of-rewind, more-of.owner: of-more,
               more-of.reader: x}
      when: inventory_hostname == 'app1'
    - ansible.builtin.set_fact: {etcd_result: {members: {db1: 10.77.0.21, db2: MEMBER}}}
      when: inventory_hostname == 'db1'
    - ansible.builtin.debug:
        msg:
          bound: "{{ services_environments.web.URL }}"
          seen_by_a_filter: "{{ services_environments.web.FILTERED }}"
          read_bound: "{{ services_environments.web.READ }}"
          credentials: "{{ services_credentials }}"
          url: "{{ databases['my-db'].url }}"
          replica_url: "{{ databases['my-db'].replica_url }}"
          reader_url: "{{ databases['my-db'].reader_url }}"
          more: "{{ databases['more-of'].url }}"
          passwords_of_more: "{{ postgresql_passwords['shop-my-db'].also.more_of.owner }}"
          rewind: "{{ postgresql_passwords['shop-my-db'].rewind }}"
          etcd: "{{ postgresql_etcd }}"
      when: inventory_hostname == 'db2'
"""


@pytest.fixture(scope="module")
def with_databases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The inventory of ``DATABASES``."""
    return inventory(tmp_path_factory.mktemp("databases"), DATABASES)


def test_who_has_a_database_and_who_agrees(with_databases: dict[str, Any]) -> None:
    assert with_databases["postgresql"]["hosts"] == ["db1", "db2"]
    assert with_databases["etcd"]["hosts"] == ["db2", "db1", "app1"]
    app1, db1 = (with_databases["_meta"]["hostvars"][name] for name in ("app1", "db1"))
    assert [each["name"] for each in db1["etcd_servers"]] == ["db2", "db1", "app1"]
    assert (app1["postgresql_instances"], db1["postgresql_memory"]) == ([], 1.0)
    assert ("sentinel" in with_databases, "valkey_sentinels" in app1) == (False, False)
    assert "former_sentinel" not in with_databases
    assert with_databases["database_router"] == with_databases["docker_host"]
    (instance,) = db1["postgresql_instances"]
    expected = {
        "name": "shop-my-db",
        "title": "my-db",
        "version": "17",
        "port": 5432,
        "health_port": 8008,
        "servers": [{"name": "db2", "address": "fd00::22"}, {"name": "db1", "address": "10.77.0.21"}],
        "clients": ["10.77.0.11/32", "10.77.0.21/32", "fd00::22/128"],
        "synchronous": True,
        "database": "my_db",
        "extensions": ["vector"],
        "settings": {"work_mem": "9MB"},
    }
    assert {name: instance[name] for name in expected} == expected
    member, database = (each["sans"] for each in db1["ca_certificates"])
    assert {"DNS:my-db", "DNS:my-db.shop.internal", "DNS:my-db-ro", "IP:10.77.0.21"} <= set(database)
    assert "DNS:my-db" not in member
    assert [each["path"] for each in app1["ca_certificates"]] == ["/etc/longshore/cluster/server"]


STORES = """
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, private_address: 10.77.0.11, tags: [app]}
  db1: {address: 198.51.100.21, private_address: 10.77.0.21, tags: [db]}
  db2: {address: 198.51.100.22, private_address: 10.77.0.22, tags: [app, db]}
databases:
  main: {engine: postgresql, servers: [db2]}
  my-cache: {engine: redis, servers: [db2, db1], synchronous: strict, settings: {maxmemory-policy: allkeys-lru}}
services:
  web: {image: nginx:1, environment: {CACHE: "{{ databases.my-cache.url }}"}}
"""


def test_a_redis_has_sentinels_and_shares_its_server(tmp_path: Path) -> None:
    found = inventory(tmp_path, STORES)
    hosts = found["_meta"]["hostvars"]
    assert found["valkey"]["hosts"] == ["db1", "db2"]
    assert found["sentinel"]["hosts"] == found["etcd"]["hosts"] == ["db2", "db1", "app1"]
    others = [name for name in hosts if name not in found["sentinel"]["hosts"]]
    assert found.get("former_sentinel", {"hosts": []})["hosts"] == others
    assert hosts["app1"]["valkey_sentinels"] == ["10.77.0.22", "10.77.0.21", "10.77.0.11"]
    (instance,) = hosts["db1"]["valkey_instances"]
    assert instance == {
        "name": "shop-my-cache",
        "title": "my-cache",
        "directory": "",
        "port": 6379,
        "servers": [{"name": "db2", "address": "10.77.0.22"}, {"name": "db1", "address": "10.77.0.21"}],
        "user": "my_cache",
        "strict": True,
        "settings": {"maxmemory-policy": "allkeys-lru"},
    }
    # Half of a server with containers, for two databases; else all of it.
    assert (hosts["db2"]["postgresql_memory"], hosts["db2"]["valkey_memory"]) == (0.25, 0.25)
    assert (hosts["db1"]["valkey_memory"], hosts["db1"]["postgresql_instances"]) == (1.0, [])
    router = hosts["app1"]["database_router_names"]["my-cache-ro"]
    assert (router["engine"], router["instance"], router["reads"]) == ("redis", "shop-my-cache", True)
    assert router["sentinels"] == hosts["app1"]["valkey_sentinels"]
    assert "health_port" not in router
    names = hosts["app1"]["credentials_sets"]["databases"]["names"]
    assert {"main.rewind", "my-cache.admin", "my-cache.sentinel"} <= set(names)
    assert "my-cache.rewind" not in names
    # Sentinels use a new one only when all that they ask take it.
    assert "internal_login('sentinel', false)).password" in hosts["db1"]["valkey_sentinel_databases"][0]["password"]
    assert "sentinel.password" in hosts["app1"]["credentials_sets"]["cluster"]["names"]


def test_a_database_beside_services_lets_their_containers_in(tmp_path: Path) -> None:
    """They come from a bridge of Docker's: only what leaves a server has the server's address."""
    hosts = inventory(tmp_path, STORES)["_meta"]["hostvars"]
    (main,) = hosts["db2"]["postgresql_instances"]
    assert main["clients"] == [
        "10.77.0.11/32",
        "10.77.0.21/32",
        "10.77.0.22/32",
        "172.16.0.0/12",
        "fd6c:6f6e:6773::/64",
    ]


QUEUES = """
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, private_address: 10.77.0.11, tags: [app]}
  db1: {address: 198.51.100.21, private_address: 10.77.0.21, tags: [db]}
  db2: {address: 198.51.100.22, private_address: 10.77.0.22, tags: [app, db]}
databases:
  my-queue: {engine: rabbitmq, servers: [db2, db1, app1], settings: {heartbeat: 30}}
services:
  web: {image: nginx:1, environment: {URL: "{{ databases.my-queue.url }}"}}
"""


def test_a_rabbitmq_has_one_name_and_secrets_of_its_own(tmp_path: Path) -> None:
    found = inventory(tmp_path, QUEUES)
    hosts = found["_meta"]["hostvars"]
    assert found["rabbitmq"]["hosts"] == ["app1", "db1", "db2"]
    assert not found.get("etcd", {}).get("hosts")
    (instance,) = hosts["db1"]["rabbitmq_instances"]
    assert instance == {
        "name": "shop-my-queue",
        "title": "my-queue",
        "directory": "",
        "port": 5671,
        "health_port": 15671,
        "peer_port": 25672,
        "servers": [
            {"name": "db2", "address": "10.77.0.22"},
            {"name": "db1", "address": "10.77.0.21"},
            {"name": "app1", "address": "10.77.0.11"},
        ],
        "user": "my_queue",
        "vhost": "my_queue",
        "settings": {"heartbeat": "30"},
    }
    assert (hosts["db1"]["rabbitmq_memory"], hosts["db2"]["rabbitmq_memory"]) == (1.0, 0.5)
    assert list(hosts["app1"]["database_router_names"]) == ["my-queue"]
    router = hosts["app1"]["database_router_names"]["my-queue"]
    assert (router["engine"], router["port"], router["reads"], len(router["servers"])) == ("rabbitmq", 5671, False, 3)
    names = hosts["app1"]["credentials_sets"]["databases"]["names"]
    assert {name for name in names if name.startswith("my-queue.")} == {
        f"my-queue.{name}" for name in ("owner", "admin", "monitor", "cookie")
    }
    assert names["my-queue.owner"]["turns"] is True
    url = hosts["app1"]["databases"]["my-queue"]["url"]
    assert url.startswith("amqps://{{ ")
    assert url.endswith("@my-queue:5671/my_queue")
    assert "my_queue', True)" in url
    (certificate,) = [each for each in hosts["db1"]["ca_certificates"] if each["path"].endswith("databases")]
    assert {"DNS:my-queue", "DNS:my-queue.shop.internal", "DNS:db1", "IP:10.77.0.21"} <= set(certificate["sans"])


BOOKS = """
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, private_address: 10.77.0.11, tags: [app]}
  db1: {address: 198.51.100.21, private_address: 10.77.0.21, tags: [db]}
  db2: {address: 198.51.100.22, private_address: 10.77.0.22, tags: [db]}
databases:
  my-books: {engine: mariadb, servers: [db2, db1], port: 3307, synchronous: true, settings: {max_connections: 99}}
  lone: {engine: mariadb, servers: [db1]}
services:
  web: {image: nginx:1, environment: {BOOKS: "{{ databases.my-books.url }}"}}
"""


def test_a_template_is_told_with_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "lone.cnf.j2").write_text("[mariadbd]\n")
    found = inventory(tmp_path, BOOKS.replace("servers: [db1]}", "servers: [db1], template: lone.cnf.j2}"))
    books, lone = found["_meta"]["hostvars"]["db1"]["mariadb_instances"]
    assert lone["template"] == str(tmp_path / "lone.cnf.j2")
    assert "template" not in books


def test_a_mariadb_with_replicas_agrees_by_etcd(tmp_path: Path) -> None:
    found = inventory(tmp_path, BOOKS)
    hosts = found["_meta"]["hostvars"]
    assert found["mariadb"]["hosts"] == found["data_server"]["hosts"] == ["db1", "db2"]
    assert found["etcd"]["hosts"] == ["db2", "db1", "app1"]
    books, lone = hosts["db1"]["mariadb_instances"]
    assert books == {
        "name": "shop-my-books",
        "title": "my-books",
        "directory": "",
        "port": 3307,
        "also": [],
        "health_port": 8307,
        "servers": [{"name": "db2", "address": "10.77.0.22"}, {"name": "db1", "address": "10.77.0.21"}],
        "synchronous": True,
        "database": "my_books",
        "settings": {"max_connections": "99"},
        "keeper": "",
    }
    assert [each["name"] for each in lone["servers"]] == ["db1"]
    assert [hosts[name]["mariadb_memory"] for name in ("db1", "db2")] == [1.0, 1.0]
    router = hosts["app1"]["database_router_names"]["my-books-ro"]
    assert (router["engine"], router["health_port"], router["reads"]) == ("mariadb", 8307, True)
    names = hosts["app1"]["credentials_sets"]["databases"]["names"]
    assert {"my-books.owner", "my-books.replication", "lone.monitor"} <= set(names)


def test_a_mariadb_alone_needs_nobody(tmp_path: Path) -> None:
    text = BOOKS.replace("servers: [db2, db1], port: 3307, synchronous: true", "servers: [db2]")
    found = inventory(tmp_path, text)
    assert not found.get("etcd", {}).get("hosts")
    assert "etcd_servers" not in found["_meta"]["hostvars"]["db2"]


def test_routers_are_services_and_their_images_come_along(with_databases: dict[str, Any]) -> None:
    app1 = with_databases["_meta"]["hostvars"]["app1"]
    assert set(app1["services_services"]) == set(app1["images_services"]) == {"web", "my-db", "my-db-ro"}
    assert set(app1["longshore_pulls"]) == {"web", "my-db", "my-db-ro"}
    assert app1["database_router_names"]["my-db-ro"]["reads"] is True
    assert app1["database_router_names"]["my-db"]["reads"] is False


def test_passwords_are_made_once_and_are_references(with_databases: dict[str, Any]) -> None:
    app1 = with_databases["_meta"]["hostvars"]["app1"]
    made = app1["credentials_sets"]["databases"]
    assert (made["directory"], made["directory_mode"]) == ("/etc/longshore/shop/credentials/databases", "0700")
    kinds = ("replication", "rewind", "owner", "reader", "monitor")
    assert {f"my-db.{kind}" for kind in kinds} <= set(made["names"])
    assert {f"{made['directory']}/my-db.{kind}" for kind in kinds} <= set(app1["swarm_manager_files"])
    passwords = app1["postgresql_passwords"]["shop-my-db"]
    assert all("{{" in passwords[kind] and f"my-db.{kind}" in passwords[kind] for kind in kinds)
    assert all(made["names"][f"my-db.{kind}"]["turns"] for kind in kinds)
    assert "{{" in app1["databases"]["my-db"]["password"]


def resolved(directory: Path, member: str) -> dict[str, Any]:
    """What ``ASKED`` shows of ``DATABASES`` when ``member`` is the address of db2's etcd."""
    (directory / "stack.yml").write_text(DATABASES)
    (directory / "play.yml").write_text(ASKED.replace("MEMBER", f'"{member}"'))
    command = [str(BIN / "ansible-playbook"), "-i", "stack.yml", "play.yml"]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = done.stdout.partition("ok: [db2] => ")[2]
    shown: dict[str, Any] = json.JSONDecoder().raw_decode(answer)[0]["msg"]
    return shown


def test_what_a_service_gets_leads_to_its_database(tmp_path: Path) -> None:
    trust = "sslmode=verify-full&sslrootcert=/.longshore/ca.crt"
    assert resolved(tmp_path, "10.77.0.22") == {
        "bound": f"postgresql://\x1emy-db.user\x1e:\x1emy-db.password\x1e@my-db:5432/my_db?{trust}",
        "seen_by_a_filter": 8,
        "read_bound": f"postgresql://\x1emy-db.reader.user\x1e:\x1emy-db.reader.password\x1e@my-db-ro:5432/my_db?{trust}",
        "credentials": {
            "my-db": {"user": "my_db", "password": "of-owner"},
            "my-db.reader": {"user": "my_db_reader_2", "password": "of-reader"},
            "more-of": {"user": "more_of", "password": "of-more"},
            "more-of.reader": {"user": "more_of_reader", "password": "x"},
        },
        "url": f"postgresql://my_db:of-owner@my-db:5432/my_db?{trust}",
        "replica_url": f"postgresql://my_db:of-owner@my-db-ro:5432/my_db?{trust}",
        "reader_url": f"postgresql://my_db_reader_2:of-reader@my-db-ro:5432/my_db?{trust}",
        "more": f"postgresql://more_of:of-more@my-db:5432/more_of?{trust}",
        "passwords_of_more": "of-more",
        "rewind": "of-rewind",
        "etcd": ["10.77.0.21:2379", "10.77.0.22:2379"],
    }


def test_members_of_etcd_with_ipv6_addresses_are_found(tmp_path: Path) -> None:
    assert resolved(tmp_path, "fd00::22")["etcd"] == ["10.77.0.21:2379", "[fd00::22]:2379"]


def test_a_stack_without_databases_says_nothing_of_them(listed: dict[str, Any]) -> None:
    app1 = listed["_meta"]["hostvars"]["app1"]
    assert not [name for name in app1 if name.startswith(("postgresql_", "etcd_", "database"))]
    assert "databases" not in app1["credentials_sets"]
    assert not listed.get("postgresql", {}).get("hosts")


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


TARGETS = {
    "s3": (
        '{type: s3, endpoint: "https://s3.example:9000", bucket: b, access_key: "{{ secrets.key }}", '
        'secret_key: "{{ secrets.key }}"}',
        {"type": "s3", "host": "s3.example", "port": 9000, "bucket": "b", "region": "us-east-1"},
        "/shop",
    ),
    "sftp": (
        '{type: sftp, host: h.example, user: u, ssh_key: "{{ secrets.key }}", known_hosts: hosts, path: /b}',
        {"type": "sftp", "host": "h.example", "port": 22, "user": "u", "known_hosts": "h.example ssh-ed25519 AAAA\n"},
        "/b",
    ),
    "local": ("{path: /srv/b}", {"type": "local"}, "/srv/b"),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_where_backups_are_kept(tmp_path: Path, kind: str) -> None:
    text, expected, place = TARGETS[kind]
    (tmp_path / "hosts").write_text("h.example ssh-ed25519 AAAA\n")
    content = DATABASES.replace("settings: {work_mem: 9MB}", 'backup: "@daily"')
    app1 = inventory(tmp_path, f"{content}secrets: {{key: {{generate: 32}}}}\nbackups: {{repository: {text}}}\n")[
        "_meta"
    ]["hostvars"]["app1"]
    target = app1["pgbackrest_target"]
    assert {name: target[name] for name in expected} == expected
    assert app1["pgbackrest_repository"] == place
    secrets = {name: value for name, value in target.items() if name not in expected}
    assert all("credentials_result" in str(value) or "secrets[" in str(value) for value in secrets.values()), secrets


def test_what_may_make_backups_and_is_not_to(tmp_path: Path) -> None:
    """On every server: which of them made backups before is nowhere else."""
    content = DATABASES.replace("settings: {work_mem: 9MB}", 'backup: "@daily"')
    content += "backups: {copies: {near: {type: local, path: /mnt/near}}}\n"
    servers = inventory(tmp_path, content)["_meta"]["hostvars"]
    keeper = [name for name in servers if servers[name]["server_units_former"][0]["keep"]]
    assert keeper == inventory(tmp_path, content)["backup_server"]["hosts"]
    backup, log, copy, *_others = servers[keeper[0]]["server_units_former"]
    assert copy["keep"] == ["longshore-copy-shop-near-pgbackrest.service"]
    place = {"name": "near", "target": {"type": "local"}, "path": "/mnt/near", "bandwidth": 0}
    assert servers[keeper[0]]["pgbackrest_copies"] == [place]
    assert backup["keep"] == ["longshore-backup-shop-my-db.service"]
    assert (log["keep"], log["pattern"]) == ([], "longshore-log-shop-*.service")
    assert backup["containing"] == " /etc/longshore/shop/"


WATCHED = """
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, private_address: 10.77.0.11, tags: [app]}
  db1: {address: 198.51.100.21, private_address: 10.77.0.21, tags: [db]}
  db2: {address: 198.51.100.22, private_address: 10.77.0.22, tags: [db]}
  db3: {address: 198.51.100.23, private_address: 10.77.0.23, tags: [db]}
databases:
  my-main: {engine: postgresql, servers: [db2, db1], port: 5433, exporter: true}
  books: {engine: mariadb, servers: [db2]}
  queue: {engine: rabbitmq, servers: [db1, db2, db3], exporter: true}
  cache: {engine: redis, servers: [db1], exporter: true}
services: {}
"""


def test_exporters_are_where_the_file_wants_them_and_end_elsewhere(tmp_path: Path) -> None:
    found = inventory(tmp_path, WATCHED)
    hosts = found["_meta"]["hostvars"]
    # A RabbitMQ tells its figures itself.
    assert found["database_exporter"]["hosts"] == ["db1", "db2"]
    assert hosts["db3"]["rabbitmq_instances"][0]["exporter_port"] == 15691
    main, cache = hosts["db1"]["database_exporter_instances"]
    assert main == {
        "name": "shop-my-main",
        "title": "my-main",
        "engine": "postgresql",
        "address": "10.77.0.21",
        "port": 5433,
        "exporter_port": 9188,
        "database": "my_main",
    }
    assert (cache["engine"], cache["exporter_port"]) == ("redis", 9121)
    passwords = hosts["app1"]["database_exporter_passwords"]
    assert sorted(passwords) == ["shop-cache", "shop-my-main"]
    assert "databases['my-main.monitor']" in passwords["shop-my-main"]
    kept = {
        "app1": [],
        "db1": ["longshore-exporter-shop-my-main.service", "longshore-exporter-shop-cache.service"],
        "db2": ["longshore-exporter-shop-my-main.service"],
        "db3": [],
    }
    for name, units in kept.items():
        former = next(each for each in hosts[name]["server_units_former"] if "exporter" in each["pattern"])
        assert (former["pattern"], former["keep"]) == ("longshore-exporter-*.service", units)
        assert former["containing"] == ":/etc/longshore/shop/exporters/"
        assert former["files"] == ["/etc/longshore/shop/exporters/{}.login"]
    # The role has to know its own also when nobody is asked any more.
    none = inventory(tmp_path, WATCHED.replace(", exporter: true", ""))
    assert not none.get("database_exporter", {}).get("hosts")
    unwatched = none["_meta"]["hostvars"]["db1"]
    assert unwatched["database_exporter_directory"] == "/etc/longshore/shop/exporters"
    assert (unwatched["database_exporter_instances"], unwatched["database_exporter_passwords"]) == ([], {})
    assert "exporter_port" not in unwatched["rabbitmq_instances"][0]


OTHERS = """
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, private_address: 10.77.0.11, tags: [app]}
  app2: {address: 198.51.100.12, private_address: 10.77.0.12, tags: [app, web]}
  db1: {address: 198.51.100.21, private_address: 10.77.0.21, tags: [db]}
databases:
  seats: {engine: memcached, servers: [db1, app1], tls: false, port: 11300, settings: {disable-cas: true}}
  crm:
    engine: postgresql
    external: {host: pg.example, database: c, user: "a@b", password: "{{ lookup('env', 'CRM') }}"}
services:
  web:
    image: nginx:1
    environment: {SEATS: "{{ databases.seats.servers }}", CRM: "{{ databases.crm.url }}"}
    placement: {tags: [web]}
"""


def test_each_server_of_a_memcached_has_a_port_and_lets_the_stacks_servers_in(tmp_path: Path) -> None:
    found = inventory(tmp_path, OTHERS)
    hosts = found["_meta"]["hostvars"]
    assert (found["memcached"]["hosts"], found["former_memcached"]["hosts"]) == (["app1", "db1"], ["app2"])
    assert hosts["app1"]["databases"]["seats"]["servers"] == "seats:11300,seats:11301"
    assert hosts["app1"]["databases"]["seats"]["authority"] == ""
    (instance,) = hosts["db1"]["memcached_instances"]
    assert instance == {
        "name": "shop-seats",
        "title": "seats",
        "address": "10.77.0.21",
        "port": 11300,
        "tls": False,
        "settings": {"disable-cas": "true"},
    }
    assert (hosts["db1"]["memcached_memory"], hosts["app1"]["memcached_memory"]) == (1.0, 0.5)
    assert hosts["db1"]["memcached_clients"] == ["10.77.0.11", "10.77.0.12", "10.77.0.21"]
    # Containers of the same server come from Docker's bridge.
    assert "172.16.0.0/12" in hosts["app1"]["memcached_clients"]
    router = hosts["app2"]["database_router_names"]["seats"]
    assert [server["name"] for server in router["servers"]] == ["db1", "app1"]
    assert (router["port"], router["tls"]) == (11300, False)


def test_an_external_database_is_asked_where_its_users_run_and_nothing_runs_for_it(tmp_path: Path) -> None:
    found = inventory(tmp_path, OTHERS)
    hosts = found["_meta"]["hostvars"]
    assert found["external_database"]["hosts"] == ["app2"]
    assert "external_database_known" not in hosts["app1"]
    assert hosts["app2"]["external_database_known"]["crm"] == {
        "engine": "postgresql",
        "host": "pg.example",
        "port": 5432,
        "database": "c",
        "user": "a@b",
        "tls": True,
        "authority": "",
    }
    assert set(hosts["app2"]["external_database_authorities"]) == {"/usr/lib/longshore/helper/1/shop.crm.crt"}
    assert not {"postgresql", "etcd"} & {name for name, group in found.items() if group.get("hosts")}
    assert set(hosts["app1"]["database_router_names"]) == {"seats"}
    assert set(hosts["app1"]["services_services"]) == {"web", "seats"}
    assert set(hosts["app1"]["services_services"]["web"]["depends_on"]) == {"seats"}
    assert not [name for name in hosts["app1"]["credentials_sets"]["databases"]["names"] if name.startswith("crm")]


def test_the_url_of_an_external_database_is_escaped_also_where_its_password_is_bound(tmp_path: Path) -> None:
    (tmp_path / "stack.yml").write_text(OTHERS)
    words = ["-m", "debug", "-a", "msg={{ [databases.crm.url, database_bindings.crm.url, services_credentials.crm] }}"]
    done = subprocess.run(
        [str(BIN / "ansible"), "-i", "stack.yml", "app1", "-c", "local", *words],
        cwd=tmp_path,
        env={**os.environ, "CRM": "p/w@ 'x", "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    url, bound, login = json.loads(done.stdout.partition("=>")[2])["msg"]
    tail = "@pg.example:5432/c?sslmode=verify-full&sslrootcert=/.longshore/shop.crm.crt"
    assert url == f"postgresql://a%40b:p%2Fw%40%20%27x{tail}"
    assert bound == f"postgresql://\x1ecrm.url_user\x1e:\x1ecrm.url_password\x1e{tail}"
    assert login == {"user": "a@b", "password": "p/w@ 'x", "url_user": "a%40b", "url_password": "p%2Fw%40%20%27x"}


def test_balancers_share_virtual_addresses(tmp_path: Path, listed: dict[str, Any]) -> None:
    assert "keepalived_addresses" not in listed["_meta"]["hostvars"]["app1"]
    former = next(
        each for each in listed["_meta"]["hostvars"]["app1"]["server_units_former"] if "vip" in each["pattern"]
    )
    assert former["keep"] == []
    text = STACK.replace('haproxy:3.0"}', 'haproxy:3.0", virtual_ip: 198.51.100.100}')
    found = inventory(tmp_path, text, SHOP_TOKEN="a-token-that-nobody-sees")
    assert found["virtual_ip"]["hosts"] == ["app1", "app2"]
    app1, app2 = (found["_meta"]["hostvars"][name] for name in ("app1", "app2"))
    assert (app1["keepalived_address"], app1["keepalived_peers"]) == ("10.77.0.11", ["10.77.0.12"])
    assert app1["keepalived_priority"] > app2["keepalived_priority"]
    assert "load_balancer.virtual_ip 198.51.100.100" in app2["server_cluster"]
    assert app2["server_units_former"][-1]["keep"] == ["longshore-vip-shop.service"]


def test_servers_are_hardened_when_the_file_says_so(tmp_path: Path, listed: dict[str, Any]) -> None:
    assert not listed.get("hardened", {}).get("hosts")
    text = STACK + "sysctl: {kernel.sysrq: 1}\nhardening: {kernel: false, audit_paths: [/srv/keys]}\n"
    found = inventory(tmp_path, text, SHOP_TOKEN="a-token-that-nobody-sees")
    assert found["hardened"]["hosts"] == ["app1", "app2", "db1"]
    db1 = found["_meta"]["hostvars"]["db1"]
    assert (db1["hardening_kernel"], db1["hardening_network"]) == (False, True)
    assert db1["hardening_audit_paths"] == ["/srv/keys"]
    # What the role has when nothing is said stays its own; what the file says of the kernel is the role server's.
    assert "hardening_modules" not in db1
    assert db1["hardening_sysctl"] == {"kernel.sysrq": None}
