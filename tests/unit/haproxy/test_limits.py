# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests one client may make."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import (
    HaproxyError,
    conflicts,
    normalize,
    settings_of,
)
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_render import render

ROUTES = [{"host": "shop.example", "backend": "web"}]
BACKENDS = {"web": {"servers": [{"address": "192.0.2.11", "port": 8080}]}}


def fragment(stack: str = "shop", **settings: Any) -> dict[str, Any]:
    return normalize(stack, [{"host": f"{stack}.example", "backend": "web"}], BACKENDS, settings)


def rendered(*fragments: dict[str, Any]) -> dict[str, str]:
    return render(fragments, settings_of(fragments), 1000, ipv6=True)


def test_nobody_is_counted_unless_somebody_asks() -> None:
    assert "track-" not in rendered(fragment())["haproxy.cfg"]


def test_more_requests_are_refused() -> None:
    text = rendered(fragment(limit_requests=1500))["haproxy.cfg"]
    assert "stick-table type ipv6 size 100k expire 60000ms store http_req_rate(60000ms)" in text
    assert "http-request track-sc2 src table clients\n" in text
    assert "http-request return status 429" in text
    assert "if { sc2_http_req_rate gt 1500 }" in text


def test_a_tarpit_makes_them_wait() -> None:
    text = rendered(fragment(limit_requests=5, limit_answer="tarpit"))["haproxy.cfg"]
    assert "http-request tarpit deny_status 429 if { sc2_http_req_rate gt 5 }" in text
    assert "timeout tarpit 10s" in text


def test_what_stacks_except_counts_together() -> None:
    fragments = (
        fragment("shop", limit_requests=5, limit_except="192.0.2.0/24"),
        fragment("blog", limit_except="2001:db8::1 192.0.2.0/24"),
    )
    assert conflicts(fragments) == []
    counted = "http-request track-sc2 src table clients unless { src 192.0.2.0/24 2001:db8::1/128 }"
    assert counted in rendered(*fragments)["haproxy.cfg"]


def test_two_limits_are_a_conflict() -> None:
    assert (
        "limit_requests differs"
        in conflicts((fragment("shop", limit_requests=5), fragment("blog", limit_requests=6)))[0]
    )


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"limit_requests": -1}, "limit_requests"),
        ({"limit_per": 0}, "limit_per"),
        ({"limit_except": "192.0.2.1/24"}, "192.0.2.1/24"),
        ({"limit_except": "example"}, "neither an IP address nor a network"),
        ({"limit_answer": "503"}, "429, tarpit"),
    ],
)
def test_what_is_wrong_is_told(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(HaproxyError, match=word):
        fragment(**settings)
