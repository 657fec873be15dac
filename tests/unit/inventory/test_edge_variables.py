# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack file says of routes and ports reaches the load balancers' role, which takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import normalize
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import edge
from longshore.definition.load import load_text

HEAD = """\
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, tags: [app, lb]}
"""


def variables(tmp_path: Path, text: str) -> dict[str, Any]:
    """The role's variables; they have to be what the module takes."""
    found = edge.variables(load_text(f"{HEAD}{text}".encode(), tmp_path / "shop.yml"))
    parts = {name: found[f"haproxy_{name}"] for name in ("ports", "pages", "maintenance", "snippets")}
    logins = {name: dict.fromkeys(users, "$5$salt$0123456789") for name, users in found["haproxy_logins"].items()}
    settings = {name: found[f"haproxy_{name}"] for name in ("trusted_proxies", "client_header", "accept_proxy")}
    normalize("shop", found["haproxy_routes"], found["haproxy_backends"], settings, logins=logins, **parts)
    return found


def test_each_way_to_speak_with_a_service_is_one_backend(tmp_path: Path) -> None:
    found = variables(
        tmp_path,
        """\
services:
  web:
    image: x
    routes:
      - {host: a.example, port: 3000}
      - {host: a.example, path: /slow, port: 3000, timeouts: {server: 5m}, maxconn: 7}
      - {host: a.example, path: /same, port: 3000, sticky: true, rewrite: /}
      - {host: g.example, port: 9000, scheme: h2c, balance: leastconn}
load_balancer: {snippets: {backend: {web: "# x"}}}
""",
    )
    backends = found["haproxy_backends"]
    assert list(backends) == ["web_3000", "web_3000.2", "web_9000"]
    assert backends["web_3000.2"] == {**backends["web_3000"], "timeouts": {"server": 300.0}, "maxconn": 7}
    assert backends["web_9000"]["scheme"] == "h2c"
    routes = [(route["path"], route["backend"], route["sticky"]) for route in found["haproxy_routes"]]
    assert routes[:3] == [("/", "web_3000", False), ("/slow", "web_3000.2", False), ("/same", "web_3000", True)]
    assert set(found["haproxy_snippets"]["backend"]) == set(backends)


def test_redirects_servers_and_ports(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\n")
    (tmp_path / "away.html").write_text("<h1>Away</h1>")
    found = variables(
        tmp_path,
        """\
services:
  web: {image: x, routes: [{host: a.example, path: /b, port: 80, redirect_from: [www.a.example], auth: staff}]}
  chat: {image: x}
load_balancer:
  routes:
    - {host: o.example, redirect: //a.example}
    - host: s.example
      servers: ["s.internal:443", {address: 192.0.2.1, port: 1, backup: true}]
      check: /h
      scheme: https
      verify: {ca: ca.pem}
  ports: ["5222:chat", {published: 25, servers: ["[2001:db8::1]:2525"], allow: 192.0.2.1, timeout: 1m, send_proxy: v2}]
  logins: {staff: {ann: "{{ lookup('env', 'ANN') }}"}}
  pages: {503: away.html}
  maintenance: {allow: 192.0.2.1, retry_after: 10m}
  trusted_proxies: [192.0.2.0/24]
""",
    )
    assert {"host": "www.a.example", "path": "/b", "redirect": {"to": "//a.example"}} in found["haproxy_routes"]
    static = found["haproxy_backends"]["static.2"]
    assert static["check"] == {"http": "/h"}
    assert static["verify"]["ca"].startswith("-----BEGIN")
    assert found["haproxy_backends"]["chat_5222"]["service"] == "shop_chat"
    assert found["haproxy_backends"]["port.25"]["servers"][0]["address"] == "2001:db8::1"
    ports = [
        {"port": 5222, "backend": "chat_5222"},
        {"port": 25, "backend": "port.25", "allow": ["192.0.2.1"], "timeout": 60.0},
    ]
    assert found["haproxy_ports"] == ports
    assert found["haproxy_pages"] == {"503": "<h1>Away</h1>"}
    assert found["haproxy_maintenance"] == {"allow": ["192.0.2.1"], "retry_after": 600}


def test_a_service_behind_a_port_alone_is_on_the_edge_network_and_is_checked(tmp_path: Path) -> None:
    text = f"{HEAD}services: {{chat: {{image: x}}}}\nload_balancer: {{ports: ['5222:chat:5223']}}\n"
    definition = load_text(text.encode(), tmp_path / "shop.yml")
    chat = definition.services["chat"].normalized()
    assert chat["routes"] == [{"published": 5222, "port": 5223}]
    assert (chat["healthcheck"]["tcp"], chat["healthcheck"]["port"]) == (True, 5223)
    assert definition.load_balancers() == ["app1"]


@pytest.mark.parametrize(
    ("sticky", "stays"), [("true", True), ("cookie", True), ("source", "source"), ("no", False), ("none", False)]
)
def test_how_visitors_stay(tmp_path: Path, sticky: str, stays: bool | str) -> None:
    found = variables(tmp_path, f"services: {{web: {{image: x, routes: [{{port: 80, sticky: {sticky}}}]}}}}\n")
    assert found["haproxy_routes"][0]["sticky"] == stays
