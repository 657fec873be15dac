# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes that are judged, in HAProxy's configuration. Whether it is right is for the lab's servers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import haproxy_model
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_render import render

BACKENDS = {"web": {"servers": [{"address": "192.0.2.7", "port": 80}]}}


def files(*routes: dict[str, Any]) -> dict[str, str]:
    logins = {"staff": {"ann": "$5$salt$hash5678"}} if any("auth" in route for route in routes) else {}
    fragment = haproxy_model.normalize("shop", routes, BACKENDS, {}, logins=logins)
    return render([fragment], haproxy_model.settings_of([fragment]), 1000, ipv6=False)


def backend(text: str) -> list[str]:
    return text.partition("backend shop.web\n")[2].partition("\n\n")[0].splitlines()


def test_where_no_route_is_judged_nothing_is_said_of_it() -> None:
    made = files({"host": "a.example", "backend": "web"})
    assert "waf" not in made["haproxy.cfg"]
    assert "tune.bufsize" not in made["haproxy.cfg"]
    assert not any(name.endswith(".lua") for name in made)


def test_a_route_that_is_judged() -> None:
    made = files({"host": "a.example", "backend": "web", "waf": {"policy": "shop", "mode": "block"}, "auth": "staff"})
    text = made["haproxy.cfg"]
    program = next(name for name in made if name.endswith(".lua"))
    assert f"lua-load-per-thread /etc/longshore/haproxy/{program}" in text
    assert '%(waf)[var(txn.waf)]"' in text
    lines = backend(text)
    asked = lines.index("    http-request lua.waf shop block")
    assert "wait-for-body" in lines[asked - 1]
    assert lines[asked + 1] == "    http-request deny deny_status 403 if { var(txn.waf) -m str blocked }"
    # What is judged is what the client sent; whoever is refused is asked for no password.
    assert asked < next(number for number, line in enumerate(lines) if "http-request auth" in line)
    assert not any("status 503" in line and "txn.waf" in line for line in lines)


def test_each_route_has_its_own_rules() -> None:
    lines = backend(
        files(
            {"host": "a.example", "backend": "web", "waf": {"policy": "one"}},
            {"host": "b.example", "backend": "web", "waf": {"policy": "two", "on_failure": "refuse"}},
            {"host": "c.example", "backend": "web"},
        )["haproxy.cfg"]
    )
    asked = [line.strip() for line in lines if "lua.waf" in line]
    assert asked == [
        "http-request lua.waf one detect if { var(txn.route) -m str shop.web|shop.0 }",
        "http-request lua.waf two detect if { var(txn.route) -m str shop.web|shop.1 }",
    ]
    refused = [line for line in lines if "!{ var(txn.waf) -m str passed detected blocked }" in line]
    assert len(refused) == 1
    assert "shop.web|shop.1" in refused[0]


@pytest.mark.parametrize(
    ("waf", "said"),
    [
        ({"policy": "a b"}, "routes[0].waf.policy: 'a b' must be letters, digits, '_', '.' and '-'"),
        ({"mode": "kill"}, "routes[0].waf.mode: 'kill' is not one of detect, block"),
        ({"on_failure": "cry"}, "routes[0].waf.on_failure: 'cry' is not one of pass, refuse"),
        ({"paranoia": 2}, "routes[0].waf: unknown paranoia (known: policy, mode, on_failure)"),
    ],
)
def test_what_is_wrong(waf: dict[str, Any], said: str) -> None:
    with pytest.raises(haproxy_model.HaproxyError) as caught:
        haproxy_model.normalize("shop", [{"host": "a.example", "backend": "web", "waf": waf}], BACKENDS, {})
    assert said in caught.value.errors
