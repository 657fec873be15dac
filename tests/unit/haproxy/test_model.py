# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack may ask of HAProxy, and what it is told when it may not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import (
    HaproxyError,
    conflicts,
    networks_of,
    normalize,
    settings_of,
)

WEB = {"web": {"service": "shop_web", "port": 3000}}
STATIC = {"web": {"servers": [{"address": "192.0.2.7", "port": 8080}]}}


def fragment(stack: str = "shop", host: str = "", backends: Any = None, **settings: Any) -> dict[str, Any]:
    return normalize(stack, [{"host": host, "backend": "web"}], backends or WEB, settings)


def errors_of(*arguments: Any) -> list[str]:
    with pytest.raises(HaproxyError) as caught:
        normalize(*arguments)
    return caught.value.errors


def test_defaults_are_filled_in() -> None:
    assert normalize("shop", [{"backend": "web"}], WEB, {"http_port": 80, "image": "haproxy:3.0"}) == {
        "stack": "shop",
        "routes": [{"host": "", "path": "/", "backend": "web", "sticky": False}],
        "backends": {
            "web": {
                "service": "shop_web",
                "port": 3000,
                "maximum": 1,
                "balance": "roundrobin",
                "check": {"http": "", "host": "", "port": 0, "interval": 2.0},
            }
        },
        "settings": {},
    }


def test_a_normalized_fragment_stays_as_it_is() -> None:
    once = fragment(host="*.shop.example", maxconn=500, timeout_server=90)
    assert normalize(once["stack"], once["routes"], once["backends"], once["settings"]) == once


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("SHOP.Example.", "shop.example"),
        ("*", ""),
        (None, ""),
        ("*.a.example", "*.a.example"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_hosts_are_kept_in_one_form(given: str, kept: str) -> None:
    assert fragment(host=given)["routes"][0]["host"] == kept


@pytest.mark.parametrize(
    "host", ["shop.example:80", "a b", "a..b", "-a.example", "a.*.example", "http://a", "a/b", "ä.de"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    assert "routes[0].host" in errors_of("shop", [{"host": host, "backend": "web"}], WEB, {})[0]


@pytest.mark.parametrize("path", ["api", "/a b", "/a?b", "/a#b", "/a\n", '/"'])
def test_what_is_no_path_is_refused(path: str) -> None:
    assert "routes[0].path" in errors_of("shop", [{"path": path, "backend": "web"}], WEB, {})[0]


def test_a_slash_at_the_end_of_a_path_says_nothing() -> None:
    made = normalize("shop", [{"path": "/api/", "backend": "web"}], WEB, {})
    assert made["routes"][0]["path"] == "/api"
    assert "twice" in errors_of("s", [{"path": "/a/", "backend": "web"}, {"path": "/a", "backend": "web"}], WEB, {})[0]


def test_every_error_is_told_at_once() -> None:
    found = errors_of(
        "shop",
        [{"host": "a b", "backend": "wbe"}],
        {"web": {"service": "shop_web", "port": 0}, "old": {"servers": [{"address": "x y", "port": 1}], "extra": 1}},
        {"maxcon": 3, "stats_address": "192.0.2.1"},
    )
    for part in ("routes[0].host", "'wbe' (there is: old, web)", "web.port", "old.servers[0]", "old: unknown extra",
                 "unknown maxcon", "stats_password must be given"):  # fmt: skip
        assert any(part in error for error in found), part


@pytest.mark.parametrize("value", [{}, {"service": "a", "servers": [{"address": "b", "port": 1}]}, "shop_web", None])
def test_a_backend_has_either_a_service_or_servers(value: Any) -> None:
    assert "either service (with port) or servers" in errors_of("shop", [], {"web": value}, {})[0]


@pytest.mark.parametrize("stack", ["cluster", "haproxy", "", "../x", "a b"])
def test_names_that_no_stack_may_have(stack: str) -> None:
    assert errors_of(stack, [], {}, {})[0].startswith("stack:")


@pytest.mark.parametrize("path", ["/x y", "/x'y", '/"', "x", "/\n"])
def test_a_check_can_smuggle_nothing_in(path: str) -> None:
    backend = {"web": {"service": "shop_web", "port": 1, "check": {"http": path}}}
    assert "check.http" in errors_of("shop", [], backend, {})[0]


def test_one_host_and_path_belongs_to_one_stack() -> None:
    found = conflicts([fragment("shop", "a.example"), fragment("blog", "a.example"), fragment("docs", "b.example")])
    assert found == [
        "a.example/ is routed by the stacks blog and shop; only one can have it "
        "(a stack that is long gone lets go of it with: rm /etc/longshore/<stack>/haproxy.json)"
    ]


def test_stacks_agree_in_what_they_set() -> None:
    assert conflicts([fragment("a", "a"), fragment("b", "b", maxconn=5)]) == []
    assert settings_of([fragment("a", "a"), fragment("b", "b", maxconn=5)])["maxconn"] == 5
    found = conflicts([fragment("a", "a", maxconn=6), fragment("b", "b", maxconn=5)])
    assert found[0].startswith("maxconn differs between the stacks a and b (6 and 5)")


def test_a_conflict_does_not_print_the_password() -> None:
    found = conflicts([fragment("a", "a", stats_password="one1"), fragment("b", "b", stats_password="two2")])
    assert "stats_password differs" in found[0]
    assert "one1" not in found[0]
    assert "two2" not in found[0]


def test_only_stacks_with_services_have_an_edge_network() -> None:
    assert networks_of([fragment("shop"), fragment("old", backends=STATIC), fragment("blog")]) == [
        "blog_edge",
        "shop_edge",
    ]
