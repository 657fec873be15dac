# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that ends with success has load balancers that serve."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import haproxy_ready
from ansible_collections.longshore.stack.plugins.module_utils.run import Run

FRAGMENT: dict[str, Any] = {
    "stack": "shop",
    "routes": [
        {"host": "shop.example", "path": "/", "backend": "web_80", "sticky": False},
        {"host": "shop.example", "path": "/cart", "backend": "web_80", "sticky": True},
        {"host": "old.example", "path": "/", "backend": "old", "sticky": False},
    ],
    "backends": {"web_80": {"service": "shop_web", "port": 80}, "old": {"servers": [{"address": "192.0.2.1"}]}},
}
HEAD = "# pxname,svname,status,act,\n"


def answer(status: str) -> str:
    return f"{HEAD}shop.web_80,BACKEND,UP,2,\nshop.web_80.sticky,BACKEND,{status},0,\n\n"


def test_backends_found_by_dns_are_waited_for() -> None:
    assert haproxy_ready.services_of(FRAGMENT) == {"shop.web_80": "shop_web", "shop.web_80.sticky": "shop_web"}
    assert haproxy_ready.services_of(None) == {}


def test_it_waits_until_each_has_a_server() -> None:
    answers = iter(["", answer("DOWN"), answer("UP")])
    assert haproxy_ready.wait(haproxy_ready.services_of(FRAGMENT), Run(), lambda: next(answers)) == []
    assert next(answers, None) is None


def test_some_are_waited_for_longer() -> None:
    answers = iter([answer("DOWN"), answer("DOWN"), answer("UP")])
    assert haproxy_ready.wait(["shop.web_80.sticky"], Run(), lambda: next(answers), patience=30.0) == []
    assert haproxy_ready.wait(["shop.web_80.sticky"], Run(), lambda: answer("DOWN"), patience=0.0) != []


def test_those_that_stay_without_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy_ready, "PATIENCE", 0.0)
    silent = haproxy_ready.wait(haproxy_ready.services_of(FRAGMENT), Run(), lambda: answer("DOWN"))
    assert silent == ["shop.web_80.sticky"]
