# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that a stack file makes: what the stack itself needs, and what is written there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from longshore.definition import DefinitionError, load
from longshore.definition.firewall_rules import lets_in
from longshore.runs.doors import ports_of
from longshore.stack import BadInput, Stack

STACK = """
plugin: longshore.stack.stack
name: shop
ssh: {port: 2222}
servers:
  app1: {address: 198.51.100.11, private_address: 10.77.0.11, tags: [app, lb]}
  app2: {address: 198.51.100.12, private_address: 10.77.0.12, tags: [app]}
  db1: {address: 10.77.0.21, tags: [db], ssh: {port: 22, gateway: app1}}
services:
  web: {image: "nginx:1", routes: [{host: a.example, port: 80}]}
  dns: {image: "dns:1", placement: {tags: [lb]}, ports: ["53:53/udp", "9000-9003:80-83"]}
databases: {main: {engine: postgresql, servers: [db1]}, cache: {engine: memcached, servers: [app2]}}
"""


def rules(directory: Path, section: str, server: str) -> dict[str, list[dict[str, Any]]]:
    return stack(directory, section).definition.firewall_rules(server)


def stack(directory: Path, section: str) -> Stack:
    (directory / "stack.yml").write_text(STACK + section)
    return Stack.load(directory / "stack.yml")


def who(known: dict[str, list[dict[str, Any]]], name: str) -> list[tuple[list[str], list[str], str]]:
    """Sources, ports and protocol of the rules of one name."""
    return [
        (rule["from"], rule["ports"], rule["protocol"])
        for kind in ("allow", "deny")
        for rule in known[kind]
        if rule["name"] == f"shop: {name}"
    ]


def test_each_server_gets_what_the_stack_needs_of_it(tmp_path: Path) -> None:
    first, data = rules(tmp_path, "firewall: {}", "app1"), rules(tmp_path, "firewall: {}", "db1")
    hosts, everybody = ["10.77.0.11", "10.77.0.12"], ["10.77.0.11", "10.77.0.12", "10.77.0.21"]
    assert who(first, "SSH") == [(["0.0.0.0/0", "::/0"], ["2222"], "tcp")]
    assert who(first, "routes") == [([], ["80"], "tcp")]
    assert who(first, "service dns") == [([], ["9000-9003"], "tcp"), ([], ["53"], "udp")]
    assert who(first, "Swarm") == [(hosts, ["2377", "7946"], "tcp"), (hosts, ["7946", "4789"], "udp")]
    assert who(first, "database main") == [([*everybody, "containers"], ["5432", "8008"], "tcp")]
    # What runs no containers takes part in no Swarm, and nothing comes from containers of its own.
    assert {name for name in (rule["name"] for rule in data["allow"]) if "Swarm" in name or "routes" in name} == set()
    assert who(data, "database main") == [(everybody, ["5432", "8008"], "tcp")]
    assert who(data, "etcd") == [(everybody, ["2379", "2380"], "tcp")]


def test_what_load_balancers_listen_on_is_let_in(tmp_path: Path) -> None:
    section = """firewall: {}
load_balancer:
  tls: {acme: {email: ops@shop.example}}
  ports: ["5222:web"]
  metrics: {address: 10.77.0.11, port: 8405}
  stats: {password: "{{ lookup('env', 'STATS') }}"}
  virtual_ip: 198.51.100.100
"""
    balancer = rules(tmp_path, section, "app1")
    assert who(balancer, "routes") == [([], ["80", "443", "5222"], "tcp")]
    assert who(balancer, "figures of load balancers") == [([], ["8405"], "tcp")]
    # They alone hand certificates over, and tell each other that they live.
    assert who(balancer, "certificates") == [(["10.77.0.11"], ["8406"], "tcp")]
    assert who(balancer, "virtual addresses") == [(["10.77.0.11"], [], "vrrp")]
    other = {rule["name"] for rule in rules(tmp_path, section, "app2")["allow"]}
    assert not {"shop: routes", "shop: certificates", "shop: virtual addresses"} & other


def test_rules_of_the_file_follow_servers_and_tags(tmp_path: Path) -> None:
    (tmp_path / "office").write_text("192.0.2.0/24, 2001:db8::1  # the office\n\n# old: 192.0.2.99\n")
    section = """
firewall:
  enabled: true
  ssh: [192.0.2.5]
  allow:
    - {from: app, to: db, port: 5432}
    - {files: [office], to: [app1, db1], port: [443, 8000-8010], protocol: udp}
  deny:
    - {from: 203.0.113.0/24}
    - {port: 25}
"""
    first, data = rules(tmp_path, section, "app1"), rules(tmp_path, section, "db1")
    assert who(data, "firewall.allow[0]") == [
        (["10.77.0.11", "198.51.100.11", "10.77.0.12", "198.51.100.12"], ["5432"], "tcp")
    ]
    assert who(first, "firewall.allow[0]") == []
    assert who(first, "firewall.allow[1]") == [(["192.0.2.0/24", "2001:db8::1"], ["443", "8000-8010"], "udp")]
    assert who(first, "firewall.deny[0]") == [(["203.0.113.0/24"], [], "any")]
    assert who(first, "firewall.deny[1]") == [([], ["25"], "tcp")]
    # Who logs in to a server behind another comes from there.
    assert who(first, "SSH") == [(["192.0.2.5"], ["2222"], "tcp")]
    assert who(data, "SSH")[0][0] == ["192.0.2.5", "10.77.0.11", "198.51.100.11", "198.51.100.11"]


def test_what_is_let_in_is_known_without_asking(tmp_path: Path) -> None:
    section = """
firewall:
  allow: [{from: 192.0.2.0/24, port: 8000-8010}, {from: containers, port: 53, protocol: any}]
  deny: [{from: 192.0.2.9}]
"""
    known = rules(tmp_path, section, "app1")
    expected = {
        ("192.0.2.1", 80): True,
        ("192.0.2.1", 8005): True,
        ("192.0.2.9", 8005): False,
        ("192.0.2.9", 80): False,
        ("203.0.113.1", 8005): False,
        ("203.0.113.1", 53): False,
        ("2001:db8::1", 2222): True,
        ("", 8005): False,
    }
    assert {(source, port): lets_in(known, source, port) for source, port in expected} == expected
    assert {80, 2222, 9003, 8010, 2375} <= set(ports_of(stack(tmp_path, section).definition))


def test_a_list_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "office").write_text("192.0.2.0/24\n192.0.2.300\n")
    (tmp_path / "stack.yml").write_text(STACK + "firewall: {deny: [{files: [office]}]}\n")
    with pytest.raises(DefinitionError) as raised:
        load(tmp_path / "stack.yml", None)
    assert str(raised.value) == f"{tmp_path}/office:2:1: '192.0.2.300' is neither an address nor a network"


def test_a_lease_is_checked_before_anything_is_started(tmp_path: Path) -> None:
    guarded = stack(tmp_path, "firewall: {enabled: true, longest_lease: 1h}")
    job = guarded.lease_of(22, "20m", servers=["app1"])
    assert job.extra_variables["longshore_lease"] == {
        "servers": ["app1"],
        "port": 22,
        "source": "",
        "protocol": "tcp",
        "state": "present",
        "seconds": 1200,
    }
    assert guarded.lease_of(22, "0").extra_variables["longshore_lease"]["state"] == "absent"
    for duration, more, words in (
        ("2h", {}, "longest lease is 3600 s"),
        ("soon", {}, "--for soon"),
        ("1m", {"source": "192.0.2.0/24"}, "is not an address"),
        ("1m", {"protocol": "icmp"}, "neither tcp nor udp"),
        ("1m", {"servers": ["app9"]}, "no server 'app9'"),
    ):
        with pytest.raises(BadInput, match=words):
            guarded.lease_of(22, duration, **more)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no `firewall`"):
        stack(tmp_path, "").lease_of(22, "1m")
