# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stack file says of judged requests, as the roles get it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import edge, waf
from longshore.definition import load
from longshore.definition.stack import Stack

HEAD = """
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, tags: [app, lb]}
  app2: {address: 198.51.100.12, tags: [app]}
"""


def shop(directory: Path, routes: str, balancer: str = "") -> Stack:
    text = f'{HEAD}services: {{web: {{image: "nginx:1", routes: [{routes}]}}}}\nload_balancer: {{{balancer}}}\n'
    (directory / "shop.yml").write_text(text)
    return load(directory / "shop.yml")


def routed(definition: Stack) -> list[Any]:
    return [route.get("waf") for route in edge.variables(definition)["haproxy_routes"]]


def test_nothing_is_judged_unless_it_is_asked_for(tmp_path: Path) -> None:
    definition = shop(tmp_path, "{port: 80}")
    assert waf.variables(definition) == {"waf_stack": "shop", "waf_policies": {}, "waf_rules": ""}
    assert waf.members(definition) == {"waf": [], "former_waf": []}
    assert routed(definition) == [None]
    assert waf.members(shop(tmp_path, "{port: 80}", "waf: false")) == {"waf": [], "former_waf": ["app1"]}


def test_a_route_says_what_differs(tmp_path: Path) -> None:
    definition = shop(
        tmp_path,
        "{port: 80}, {port: 80, path: /a, waf: block}, {port: 80, path: /b, waf: false}, "
        "{port: 80, path: /c, waf: {paranoia: 2, exclude: [{paths: /c/raw}]}}",
        "waf: {on_failure: refuse, threshold: 10, exclude: [{rules: 942100, parameters: q}]}, "
        "routes: [{host: old.example, redirect: //new.example}, {host: out.example, servers: ['192.0.2.7:80']}]",
    )
    assert waf.members(definition)["waf"] == ["app1"]
    first = {"rules": ["942100"], "parameters": ["q"]}
    policies = waf.variables(definition)["waf_policies"]
    assert policies == {
        "shop": {"paranoia": 1, "threshold": 10, "exclude": [first]},
        "shop.web.2": {"paranoia": 1, "threshold": 10, "exclude": [first]},
        "shop.web.4": {"paranoia": 2, "threshold": 10, "exclude": [first, {"paths": ["/c/raw"]}]},
    }
    assert routed(definition) == [
        {"policy": "shop", "mode": "detect", "on_failure": "refuse"},
        {"policy": "shop.web.2", "mode": "block", "on_failure": "refuse"},
        None,
        {"policy": "shop.web.4", "mode": "detect", "on_failure": "refuse"},
        None,
        {"policy": "shop", "mode": "detect", "on_failure": "refuse"},
    ]


def test_one_route_alone(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text("# mine\n")
    definition = shop(tmp_path, "{port: 80, waf: true}, {port: 80, path: /a}", "waf: {enabled: false, rules: own.conf}")
    assert list(waf.variables(definition)["waf_policies"]) == ["shop.web.1"]
    assert waf.members(definition) == {"waf": ["app1"], "former_waf": []}
    assert routed(definition) == [{"policy": "shop.web.1", "mode": "detect", "on_failure": "pass"}, None]
    with_rules = shop(tmp_path, "{port: 80}", "waf: {rules: own.conf}")
    assert waf.variables(with_rules)["waf_rules"] == "# mine\n"
