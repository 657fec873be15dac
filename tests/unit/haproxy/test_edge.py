# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP ports, trusted proxies, pages, figures and snippets, and how stacks share them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import haproxy_converge, haproxy_files
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_files import dumped, wanted_files
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import (
    HaproxyError,
    conflicts,
    normalize,
    ports_of,
    settings_of,
)
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_pages import LONGEST, MAINTENANCE_MAP
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_ready import services_of
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_render import render
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_unit import units_of

PORT = [{"port": 5222, "backend": "chat"}]


def fragment(stack: str = "shop", settings: Any = None, **parts: Any) -> dict[str, Any]:
    backends = {"web": {"service": f"{stack}_web", "port": 3000}, "chat": {"service": f"{stack}_chat", "port": 5222}}
    return normalize(stack, [{"host": f"{stack}.example", "backend": "web"}], backends, settings or {}, **parts)


def config(*fragments: dict[str, Any]) -> str:
    return render(fragments, settings_of(fragments), 9000, False)["haproxy.cfg"]


def lines(text: str, head: str) -> list[str]:
    found = next(part for part in text.split("\n\n") if head in part.splitlines()[:2])
    return [line.strip() for line in found.partition(head)[2].splitlines()[1:]]


def errors_of(settings: Any = None, **parts: Any) -> str:
    with pytest.raises(HaproxyError) as caught:
        fragment("shop", settings, **parts)
    return "; ".join(caught.value.errors)


def test_a_port_passes_tcp_on() -> None:
    made = fragment(ports=[{**PORT[0], "allow": ["192.0.2.0/24"], "deny": ["192.0.2.9"], "timeout": 60}])
    text = config(made)
    assert lines(text, "frontend shop.port.5222") == [
        "bind :5222",
        "tcp-request session reject if { src 192.0.2.9 }",
        "tcp-request session reject if !{ src 192.0.2.0/24 }",
        "timeout client 60000ms",
        "default_backend shop.chat.tcp",
    ]
    assert lines(text, "backend shop.chat.tcp")[:2] == ["balance roundrobin", "timeout server 60000ms"]
    assert "mode tcp" in lines(text, "defaults tcp")
    assert "backend shop.chat\n" not in text
    assert ports_of([made]) == [5222]
    assert "    --publish 5222:5222 \\\n" in "".join(units_of(settings_of([made]), 9000, [5222]).values())
    assert services_of(made) == {"shop.web": "shop_web", "shop.chat.tcp": "shop_chat"}


def test_a_port_is_one_stacks() -> None:
    found = conflicts([fragment("shop", ports=PORT), fragment("blog", ports=PORT)])
    assert found == ["port 5222 is taken by the stacks blog and shop; only one can have it"]
    found = conflicts([fragment("shop", {"metrics_port": 5222}), fragment("blog", ports=PORT)])
    assert found == ["port 5222 of the stack blog is metrics_port on this server"]
    assert "ports[0].port: 8404 is stats_port too" in errors_of(ports=[{"port": 8404, "backend": "chat"}])
    assert "no backend is named 'caht' (there is: chat, web)" in errors_of(ports=[{"port": 1, "backend": "caht"}])


def test_only_trusted_proxies_are_believed() -> None:
    assert not any("set-src" in line for line in lines(config(fragment()), "frontend http"))
    found = lines(config(fragment("shop", {"trusted_proxies": ["192.0.2.0/24"]})), "frontend http")
    first = "req.hdr_ip(x-forwarded-for,-1)"
    taken = found.index(f"http-request set-src {first} if {{ src 192.0.2.0/24 }} {{ {first} -m found }}")
    assert taken < found.index("http-request del-header x-forwarded- -m beg")
    assert taken < found.index("http-request set-header x-forwarded-for %[src]")
    settings = {"trusted_proxies": ["192.0.2.0/24"], "client_header": "CF-Connecting-IP"}
    named = lines(config(fragment("shop", settings)), "frontend http")
    assert sum("set-src" in line for line in named) == 1
    assert "http-request del-header cf-connecting-ip if !{ var(txn.proxied) -m bool }" in named
    assert "0.0.0.0/0 is everybody" in errors_of({"trusted_proxies": ["0.0.0.0/0"]})


def test_the_proxy_protocol_is_spoken_by_whom_it_is_expected_of() -> None:
    text = config(fragment("shop", {"accept_proxy": ["192.0.2.7", "192.0.2.7/32"]}, ports=PORT))
    rule = "tcp-request connection expect-proxy layer4 if { src 192.0.2.7 }"
    assert rule in lines(text, "frontend http")
    assert rule in lines(text, "frontend shop.port.5222")


def test_a_stacks_pages_are_its_own() -> None:
    pages = {"503": "<p>gone", "maintenance": "<p>closed"}
    made = fragment(pages=pages, maintenance={"allow": ["192.0.2.1"], "retry_after": 60})
    text = config(made, fragment("blog"))
    own, other = lines(text, "backend shop.web"), lines(text, "backend blog.web")
    assert any(line.startswith("http-error status 503") and line.endswith("hdr retry-after 5") for line in own)
    assert not any(line.startswith("http-error") for line in other)
    closed = next(line for line in own if line.startswith("http-request return"))
    assert "hdr retry-after 60" in closed
    assert closed.endswith(f"if {{ str(shop),map_str({MAINTENANCE_MAP}) -m found }} !{{ src 192.0.2.1 }}")
    assert "unknown 418" in errors_of(pages={"418": "x"})
    assert "has more than" in errors_of(pages={"503": "x" * (LONGEST + 1)})
    assert "is empty" in errors_of(pages={"503": " "})


def test_maintenance_lasts_as_long_as_its_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy_files, "read", lambda path: "blog 1\nshop 1\n" if path == MAINTENANCE_MAP else None)
    made = wanted_files(None, {"haproxy.cfg": ""}, {}, [], {"shop"})
    assert next(file.text for file in made if file.path == MAINTENANCE_MAP) == "shop 1\n"


def test_figures_ask_for_the_password_that_there_is() -> None:
    assert "frontend metrics" not in config(fragment())
    rule = "http-request auth realm statistics unless { http_auth(statistics) }"
    assert rule not in lines(config(fragment("shop", {"metrics_port": 8405})), "frontend metrics")
    secret = {"metrics_port": 8405, "metrics_address": "192.0.2.1", "stats_password": "x"}
    assert rule in lines(config(fragment("shop", secret)), "frontend metrics")
    del secret["stats_password"]
    assert "metrics_address: 192.0.2.1 can be reached from outside" in errors_of(secret)


def test_snippets_stand_at_their_places() -> None:
    snippets = {
        "global": "tune.maxpollevents 100",
        "defaults": ["timeout tarpit 5s"],
        "frontend": "acl a path /a\nhttp-request deny if a",
        "backend": {"web": "http-request set-header x-y 1"},
        "sections": "cache pictures\n    total-max-size 4\n",
    }
    text = config(fragment(snippets=snippets), fragment("blog", snippets={"global": "# nothing"}))
    assert lines(text, "global")[-4:] == [
        "# Of the stack blog:", "# nothing", "# Of the stack shop:", "tune.maxpollevents 100",
    ]  # fmt: skip
    assert lines(text, "defaults")[-1] == "timeout tarpit 5s"
    front = lines(text, "frontend http")
    assert front.index("http-request deny if a") == front.index("acl a path /a") + 1
    assert front[-2].startswith("use_backend")
    assert lines(text, "backend shop.web")[-3:-1] == ["# From its stack file:", "http-request set-header x-y 1"]
    assert "# Of the stack shop:\ncache pictures\n    total-max-size 4\n" in text


@pytest.mark.parametrize(
    ("snippets", "said"),
    [
        ({"frontend": "backend x"}, "'backend' would begin a section; whole sections belong to snippets.sections"),
        ({"sections": "global"}, "'global' would begin a section; it is Longshore's own"),
        ({"sections": "total-max-size 4"}, "must begin with a section's head"),
        ({"backend": {"wbe": "x"}}, "no backend is named 'wbe'"),
        ({"front": "x"}, "snippets: unknown front"),
        ({"global": {"a": 1}}, "snippets.global: must be lines"),
    ],
)
def test_what_is_no_snippet(snippets: Any, said: str) -> None:
    assert said in errors_of(snippets=snippets)


def test_removing_a_stack_leaves_the_other_byte_for_byte() -> None:
    mine = fragment(
        ports=PORT, pages={"503": "x"}, snippets={"frontend": "# x"}, logins={"a": {"b": "$5$salt$01234567"}}
    )
    other = fragment("blog", ports=[{"port": 25, "backend": "chat"}], logins={"a": {"c": "$5$salt$01234567"}})
    alone = render([mine], settings_of([mine]), 9000, True)
    render([mine, other], settings_of([mine, other]), 9000, True)
    assert render([mine], settings_of([mine]), 9000, True) == alone


def test_a_difference_shows_no_password() -> None:
    made = fragment("shop", {"stats_password": "secret1"}, logins={"staff": {"ann": "$5$salt$0123456789"}})
    for text in (dumped(made), config(made)):
        shown = haproxy_converge._shown(text)
        assert "ann" in shown
        assert "salt" not in shown
        assert "secret1" not in shown
