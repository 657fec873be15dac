# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack file says of requests is what visitors meet, at each of the load balancers."""

from __future__ import annotations

from typing import Any

import pytest

from .support import Lab, StackFile, longshore, until
from .test_up import changed_tasks

# "let me in", as `openssl passwd -5 -salt stack` hashes it.
HASHED = "$5$stack$H9xn11MjtaNN.EWMFLhQ5QVEH3DbCacvorTu0OWt2oD"
BALANCERS = ("app1", "app2")
PORT = 5080


def with_rules(content: dict[str, Any]) -> None:
    """A bit of everything."""
    routes = content["services"]["web"]["routes"]
    routes[0] |= {"redirect_from": "www.shop.example", "response_headers": {"X-Frame-Options": "DENY"}}
    routes.append({"host": "shop.example", "path": "/staff", "port": 3000, "rewrite": "/", "auth": "staff"})
    routes.append({"host": "shop.example", "path": "/slow", "port": 3000, "timeouts": {"server": "5m"}})
    content["load_balancer"] = {
        "logins": {"staff": {"ann": "{{ lookup('env', 'ANN_HASHED') }}"}},
        "ports": [f"{PORT}:static:80"],
        "routes": [{"host": "old.example", "redirect": {"to": "https://shop.example", "code": 301}}],
        "pages": {"maintenance": "closed.html"},
        "metrics": True,
        "snippets": {"backend": {"web": "http-response set-header X-Snippet yes"}},
    }


def meets(lab: Lab, server: str, path: str, *options: str, host: str = "shop.example") -> tuple[int, str]:
    """The status that a visitor meets at one load balancer, and where he is sent."""
    words = ["curl", "-s", "-m", "15", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"]
    answer = lab.on("client", *words, "-H", f"Host: {host}", *options, f"http://{lab.address(server)}{path}").stdout
    status, _, target = answer.partition(" ")
    return int(status), target


def test_rules_ports_and_maintenance(lab: Lab, shop: StackFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANN_HASHED", HASHED)
    shop.path.with_name("closed.html").write_text("<h1>Back at noon</h1>")
    config = ("cat", "/etc/longshore/haproxy/haproxy.cfg")
    before = lab.on("app1", *config).stdout
    with shop.changed(with_rules):
        done = longshore(shop, "deploy", "-vv")
        assert done.code == 0, done.end
        assert "$5$stack" not in done.everything
        for server in BALANCERS:
            until(lambda at=server: meets(lab, at, "/")[0] == 200, 60, f"{server} serves")
            assert meets(lab, server, "/staff/x") == (401, "")
            assert meets(lab, server, "/staff/", "-u", "ann:let me in")[0] == 200
            assert meets(lab, server, "/x?y=1", host="www.shop.example") == (308, "http://shop.example/x?y=1")
            assert meets(lab, server, "/z", host="old.example") == (301, "https://shop.example/z")
            # Another way to speak with the same service is another backend, and has its snippet too.
            for path in ("/", "/slow"):
                head = lab.on(
                    "client", "curl", "-sI", "-H", "Host: shop.example", f"http://{lab.address(server)}{path}"
                )
                assert "x-snippet: yes" in head.stdout.lower()
            assert lab.get(f"http://{lab.address(server)}:{PORT}/")[0] == 200
            assert "haproxy_process_" in lab.on(server, "curl", "-s", "http://127.0.0.1:8405/metrics").stdout
        # A release keeps routes, and no password.
        kept = "docker config ls -q -f label=longshore.stack=shop | xargs docker config inspect"
        assert "5$stack" not in lab.on("app1", "sh", "-c", kept).stdout
        assert changed_tasks(longshore(shop, "deploy", "--json")) == set()
        assert longshore(shop, "maintenance", "on").code == 0
        assert {meets(lab, server, "/")[0] for server in BALANCERS} == {503}
        assert lab.get(f"http://{lab.address('app1')}:{PORT}/")[0] == 200
        assert longshore(shop, "maintenance", "off").code == 0
        assert {meets(lab, server, "/")[0] for server in BALANCERS} == {200}
    after = longshore(shop, "deploy")
    assert after.code == 0, after.end
    assert lab.on("app1", *config).stdout == before
