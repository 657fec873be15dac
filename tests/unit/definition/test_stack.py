# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who does what: managers, builders, balancers; the way to a server; overlays and files."""

from __future__ import annotations

from pathlib import Path

import pytest
from longshore.definition import DefinitionError, Stack, load
from longshore.definition.load import load_text


def stack(servers: list[str], rest: str = "") -> Stack:
    lines = [f"  s{n}: {{address: 198.51.100.{n + 1}, {keys}}}" for n, keys in enumerate(servers)]
    text = "\n".join(["plugin: longshore.stack.stack", "name: shop", "servers:", *lines, rest])
    return load_text(text.encode(), Path("/srv/none/shop.yml"))


@pytest.mark.parametrize(
    ("servers", "managers"),
    [
        ([""], ["s0"]),
        (["", ""], ["s0"]),
        (["", "", ""], ["s0", "s1", "s2"]),
        ([""] * 4, ["s0", "s1", "s2"]),
        ([""] * 7, ["s0", "s1", "s2", "s3", "s4"]),
        (["tags: [db]", "", "tags: [db, app]", ""], ["s1", "s2", "s3"]),
        (["", "manager: true", ""], ["s1"]),
        (["manager: false", "", "", ""], ["s1", "s2", "s3"]),
    ],
)
def test_managers(servers: list[str], managers: list[str]) -> None:
    assert stack(servers).managers() == managers


def test_builders_registry_and_balancers_are_there_when_they_are_needed() -> None:
    servers = ["tags: [lb]", "tags: [build]", "tags: [db]"]
    idle = stack(servers, "services: {a: {image: nginx}}")
    assert (idle.builders(), idle.registry_server(), idle.load_balancers()) == ([], None, [])
    busy = stack(servers, "services: {a: {build: {git: 'https://git.example/a'}, routes: [{port: 80}]}}")
    assert (busy.builders(), busy.registry_server(), busy.load_balancers()) == (["s1"], "s1", ["s0"])
    plain = stack(["", ""], "services: {a: {build: {git: 'https://git.example/a'}}}")
    assert (plain.builders(), plain.registry_server()) == (["s0"], "s0")


@pytest.mark.parametrize("stats", ["{}", "{address: '::1'}", "{address: 0.0.0.0, password: '{{ secrets.page }}'}"])
def test_statistics_are_for_the_server_itself_or_behind_a_password(stats: str) -> None:
    secrets = "secrets: {page: {generate: 20}}\n"
    assert stack([""], f"{secrets}load_balancer: {{stats: {stats}}}").load_balancer.stats.port == 8404


def test_a_database_server_runs_containers_only_when_a_service_asks_for_its_tag() -> None:
    assert stack(["tags: [db]", ""], "services: {a: {image: x}}").docker_hosts() == ["s1"]
    asked = stack(["tags: [db]", ""], "services: {a: {image: x, placement: {tags: db}}}")
    assert asked.docker_hosts() == ["s0", "s1"]
    assert asked.eligible_servers(asked.services["a"]) == ["s0"]


def test_a_local_volume_settles_on_the_only_server_there_is_for_it() -> None:
    settled = stack(
        ["tags: [a]", "tags: [b]"], "volumes: {d: }\nservices: {x: {image: x, placement: {tags: b}, volumes: ['d:/d']}}"
    )
    assert settled.volumes["d"].server == "s1"


def test_the_way_to_a_server_behind_two_gateways() -> None:
    text = """\
plugin: longshore.stack.stack
name: shop
ssh: {user: ops, port: 2222, key: id, known_hosts: known}
servers:
  gate: {address: gate.example, private_address: 10.0.0.9, ssh: {port: 22}}
  inner: {address: 10.0.0.1, ssh: {gateway: gate, user: root}}
  db: {address: 10.0.0.2, tags: [db], ssh: {gateway: inner}}
"""
    with pytest.raises(DefinitionError) as raised:
        load_text(text.encode(), Path("/srv/none/shop.yml"))
    assert [problem.path for problem in raised.value.problems] == ["ssh.key", "ssh.known_hosts"]
    gone = text.replace(", key: id, known_hosts: known", "")
    way = load_text(gone.encode(), Path("/srv/none/shop.yml")).servers["db"].connection()
    assert (way.address, way.port, way.user, way.key) == ("10.0.0.2", 2222, "ops", None)
    assert [(hop.address, hop.port, hop.user) for hop in way.gateways] == [
        ("gate.example", 22, "ops"),
        ("10.0.0.1", 2222, "root"),
    ]
    command = way.ssh_options()[-1]
    assert command.startswith("ProxyCommand=ssh -W %h:%p")
    assert command.endswith(" 10.0.0.1")
    assert "ssh -W %%h:%%p" in command


def test_paths_stand_beside_the_stack_file(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/id").write_text("")
    file = tmp_path / "shop.yml"
    file.write_text(
        "plugin: longshore.stack.stack\nname: shop\nssh: {key: keys/id, known_hosts: keys/../keys/id}\n"
        "servers: {a: {address: 192.0.2.1}}\n"
    )
    connection = load(file).servers["a"].connection()
    assert connection.key == tmp_path / "keys/id"
    assert f"UserKnownHostsFile={tmp_path}/keys/id" in connection.ssh_options()
    assert "StrictHostKeyChecking=yes" in connection.ssh_options()


def test_empty_files_of_secrets_and_configs(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    file = tmp_path / "shop.yml"
    file.write_text(
        "plugin: longshore.stack.stack\nname: shop\nservers: {a: {address: 192.0.2.1}}\n"
        "secrets: {key: {file: empty}}\nconfigs: {page: {file: empty}}\n"
    )
    with pytest.raises(DefinitionError) as raised:
        load(file)
    assert str(raised.value).splitlines() == [
        f"{file}:4:23: secrets.key.file: {tmp_path}/empty is empty, which Swarm does not keep",
        f"{file}:5:24: configs.page.file: {tmp_path}/empty is empty, which Swarm does not keep",
    ]


def test_environment_files(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("# remark\nexport A=1\nB='two # 2'\nC=\"x\\ny\" # remark\nD=plain # remark\nE=\n\n")
    file = tmp_path / "shop.yml"
    file.write_text(
        "plugin: longshore.stack.stack\nname: shop\nservers: {a: {address: 192.0.2.1}}\n"
        "services: {web: {image: x, env_file: a.env, environment: {A: over}}}\n"
    )
    assert load(file).services["web"].normalized()["environment"] == {
        "A": "over", "B": "two # 2", "C": "x\ny", "D": "plain", "E": "",
    }  # fmt: skip
    (tmp_path / "a.env").write_text("A=1\nwrong\nB='open\nC=a\0b\nD={{ secrets.key }}\nE={{.Task.Slot}}\n")
    with pytest.raises(DefinitionError) as raised:
        load(file)
    assert str(raised.value).splitlines() == [
        f"{tmp_path}/a.env:2:1: must be NAME=value",
        f"{tmp_path}/a.env:3:1: has a quote without its end",
        f"{tmp_path}/a.env:4:1: has a control character: '\\x00'",
        f"{tmp_path}/a.env:5:1: '{{{{ … }}}}' is not resolved in a file: write it in environment "
        "(braces themselves: {{ '{{' }})",
    ]


BASE = """\
plugin: longshore.stack.stack
name: shop
servers: {a: {address: 192.0.2.1}, b: {address: 192.0.2.2}}
services:
  web: {image: "nginx:1", replicas: 4, labels: {x: y}}
  old: {image: "nginx:1"}
"""


def test_an_overlay_merges_replaces_and_removes(tmp_path: Path) -> None:
    (tmp_path / "shop.yml").write_text(BASE)
    (tmp_path / "shop.staging.yml").write_text(
        "services: {web: {replicas: 1, labels: {z: w}}, old: }\nservers: {b: }\n"
    )
    base, staging = load(tmp_path / "shop.yml"), load(tmp_path / "shop.yml", "staging")
    assert (base.environment, staging.environment) == ("production", "staging")
    assert (list(base.servers), list(staging.servers)) == (["a", "b"], ["a"])
    assert list(staging.services) == ["web"]
    web = staging.services["web"]
    assert (web.image, web.replicas, web.labels) == ("nginx:1", 1, {"x": "y", "z": "w"})
    assert load(tmp_path / "shop.yml", "production").services.keys() == base.services.keys()


def test_an_error_of_the_overlay_names_the_overlay(tmp_path: Path) -> None:
    (tmp_path / "shop.yml").write_text(BASE)
    (tmp_path / "shop.staging.yml").write_text("services:\n  web: {replicas: many}\n  odl: \n")
    with pytest.raises(DefinitionError) as raised:
        load(tmp_path / "shop.yml", "staging")
    overlay = f"{tmp_path}/shop.staging.yml"
    assert str(raised.value).splitlines() == [
        f"{overlay}:2:19: services.web.replicas: must be a whole number",
        f"{overlay}:3:3: services.odl: null removes a key, but there is none; an empty mapping is written {{}} "
        "(did you mean 'old'?)",
    ]
    with pytest.raises(DefinitionError, match=r"there is no environment 'dev': no file shop\.dev\.yml beside this one"):
        load(tmp_path / "shop.yml", "dev")


def test_anchors_and_extension_keys() -> None:
    text = (
        f"{BASE}x-common: &common {{stop_grace_period: 30s, restart: unless-stopped}}\n".replace("services:\n", "")
        .replace('  web: {image: "nginx:1", replicas: 4, labels: {x: y}}\n', "")
        .replace('  old: {image: "nginx:1"}\n', "")
    )
    loaded = load_text(
        f"{text}services: {{web: {{<<: *common, image: x, x-note: 1, restart: no}}}}".encode(), Path("/srv/none/s.yml")
    )
    web = loaded.services["web"]
    assert (web.stop_grace_period, web.restart.condition) == (30.0, "none")
