# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a route and a backend may ask for: how it is written for HAProxy, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import HaproxyError, normalize, settings_of
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_render import render

BACKENDS: dict[str, Any] = {"web": {"service": "shop_web", "port": 3000}}
STAFF = {"staff": {"ann": "$5$salt$0123456789"}}


def files(routes: list[dict[str, Any]], backends: Any = None, settings: Any = None, **parts: Any) -> dict[str, str]:
    whole = [{"host": "shop.example", "backend": "web", **route} for route in routes]
    fragment = normalize("shop", whole, {**BACKENDS, **(backends or {})}, settings or {}, **parts)
    again = {
        name: fragment[name] for name in ("ports", "logins", "pages", "maintenance", "snippets") if name in fragment
    }
    assert normalize("shop", fragment["routes"], fragment["backends"], fragment["settings"], **again) == fragment
    return render([fragment], settings_of([fragment]), 9000, True)


def config(*arguments: Any, **parts: Any) -> str:
    return files(*arguments, **parts)["haproxy.cfg"]


def section(text: str, head: str) -> list[str]:
    found = next(part for part in text.split("\n\n") if part.splitlines()[0] == head)
    return [line.strip() for line in found.splitlines()[1:]]


def errors_of(route: dict[str, Any], backends: Any = None, **parts: Any) -> list[str]:
    with pytest.raises(HaproxyError) as caught:
        config([route], backends, **parts)
    return caught.value.errors


@pytest.mark.parametrize(
    ("path", "rewrite", "asked", "arrives"),
    [
        ("/api", "/", "/api", "/"),
        ("/api", "/", "/api/x", "/x"),
        # An address that begins with two slashes would be another host's in a redirect of the application.
        ("/api", "/", "/api//evil.example", "/evil.example"),
        ("/api", "/v2", "/api", "/v2"),
        ("/api", "/v2", "/api/x", "/v2/x"),
        ("/", "/v2", "/x", "/v2/x"),
        ("/a.b", "/100%25", "/a.b/c", "/100%25/c"),
    ],
)
def test_the_routes_path_is_replaced(path: str, rewrite: str, asked: str, arrives: str) -> None:
    text = config([{"path": path, "rewrite": rewrite}])
    rule = next(line for line in section(text, "backend shop.web") if "replace-path" in line)
    found = re.fullmatch(r"http-request replace-path '(.*)' '(.*)'", rule)
    assert found
    assert re.sub(found[1], found[2].replace("%%", "%"), asked) == arrives


def test_rules_hold_for_their_own_route_only() -> None:
    alone = section(config([{"path": "/a", "deny": ["192.0.2.1"]}]), "backend shop.web")
    assert "http-request deny deny_status 403 if { src 192.0.2.1 }" in alone
    text = config([{"path": "/a", "deny": ["192.0.2.1"]}, {"path": "/b"}])
    both = section(text, "backend shop.web")
    rule = "http-request deny deny_status 403 if { var(txn.route) -m str shop.web|shop.0 } { src 192.0.2.1 }"
    assert rule in both
    assert "use_backend %[var(txn.route),field(1,|)] if { var(txn.route) -m found }" in section(text, "frontend http")


def test_who_is_kept_out_is_asked_for_no_password_and_sees_no_maintenance() -> None:
    lines = section(config([{"allow": ["192.0.2.0/24"], "auth": "staff"}], logins=STAFF), "backend shop.web")
    order = [next(n for n, line in enumerate(lines) if word in line) for word in (" deny ", " return ", " auth ")]
    assert order == sorted(order)


def test_a_route_is_looked_up_by_the_path_that_an_application_reads() -> None:
    lines = section(config([{}]), "frontend http")
    start = lines.index("http-request set-var(txn.path) path,url_dec")
    refused = lines[start + 1 : start + 3]
    assert all(line.startswith("http-request deny deny_status 400 if") for line in refused)
    dots = re.compile(refused[1].rpartition("-m reg ")[2].removesuffix(" }"))
    assert all(map(dots.search, ("/a/../b", "/..", "/./a", "/a/.")))
    assert not any(map(dots.search, ("/.well-known/x", "/a..b/c", "/a/...", "/a.b/")))
    assert start + 3 < next(n for n, line in enumerate(lines) if "map_beg" in line)


def test_conditions_are_tried_in_the_order_of_the_file() -> None:
    text = config(
        [
            {"path": "/a", "match": {"methods": ["post", "GET"]}, "sticky": True},
            {"path": "/a", "match": {"headers": {"X-Kind": "v'*", "x-b": "1"}}, "sticky": "source"},
            {},
        ]
    )
    assert [line for line in section(text, "frontend http") if "?0" in line] == [
        "http-request set-var(txn.route) str(shop.web.sticky) if { var(txn.route) -m str ?0 } { method GET POST }",
        "http-request set-var(txn.route) str(shop.web.source) if { var(txn.route) -m str ?0 } "
        "{ req.fhdr(x-b) -m str -- '1' } { req.fhdr(x-kind) -m beg -- 'v'\\''' }",
        "http-request set-var(txn.route) str(shop.web) if { var(txn.route) -m str ?0 }",
    ]
    assert "unset-var(txn.route)" in config([{"match": {"methods": ["GET"]}}])


def test_many_addresses_stand_in_a_file() -> None:
    many = [f"10.0.{number}.0/24" for number in range(60)]
    found = files([{"allow": many}])
    name = next(name for name in found if name.startswith("maps/networks."))
    assert found[name].split() == many
    assert f"http-request deny deny_status 403 if !{{ src -f /etc/longshore/haproxy/{name} }}" in found["haproxy.cfg"]


def test_headers_are_written_as_they_are_meant() -> None:
    lines = section(
        config([{"request_headers": {"X-A": "100% 'b' %[src]"}, "response_headers": {"Server": None, "X-B": ""}}]),
        "backend shop.web",
    )
    assert "http-request set-header x-a '100%% '\\''b'\\'' %%[src]'" in lines
    assert "http-after-response del-header server" in lines
    assert "http-after-response set-header x-b ''" in lines


@pytest.mark.parametrize(
    ("redirect", "rules"),
    [
        ("https://a.example", ["http-request redirect prefix 'https://a.example' code 308 WHEN"]),
        ("//a.example", ["http-request redirect prefix %[req.hdr(x-forwarded-proto)]://a.example code 308 WHEN"]),
        (
            {"to": "/b", "code": 302},
            [
                "http-request replace-path '^/x(/.*)?$' '/b\\1' WHEN",
                "http-request redirect prefix / code 302 WHEN",
            ],
        ),
        (
            {"to": "https://a.example/b?c=%20", "keep": False},
            ["http-request redirect location 'https://a.example/b?c=%%20' code 308 WHEN"],
        ),
        (
            {"to": "//a.example/b", "keep": False},
            ["http-request redirect location %[req.hdr(x-forwarded-proto)]://a.example/b code 308 WHEN"],
        ),
    ],
)
def test_redirects(redirect: Any, rules: list[str]) -> None:
    lines = section(config([{"path": "/x", "backend": None, "redirect": redirect}]), "backend redirects")
    assert lines == [rule.replace("WHEN", "if { var(txn.route) -m str redirects|shop.0 }") for rule in rules]


def test_how_servers_are_spoken_with() -> None:
    authority = "-----BEGIN CERTIFICATE-----\nxyz\n-----END CERTIFICATE-----"
    backends = {
        "a": {
            "servers": [
                {"address": "a.example", "port": 443, "weight": 5},
                {"address": "b.example", "port": 443, "backup": True},
            ],
            "scheme": "https",
        },
        "b": {"service": "shop_b", "port": 1, "scheme": "https", "verify": {"ca": authority, "name": "B.internal"}},
        "c": {
            "service": "shop_c", "port": 1, "scheme": "h2c", "maxconn": 5, "slow_start": 30, "send_proxy": "v2",
            "timeouts": {"server": 300, "queue": 0.5}, "compression": True,
        },
        "d": {"service": "shop_d", "port": 1, "scheme": "https", "verify": False, "balance": "source"},
    }  # fmt: skip
    found = files([], backends)
    text = found["haproxy.cfg"]
    first, second = section(text, "backend shop.a")[-2:]
    named = "ssl verify required ca-file @system-ca sni str(NAME) check-sni NAME verifyhost NAME alpn h2,http/1.1"
    assert first.endswith(f" {named.replace('NAME', 'a.example')} weight 5")
    assert second.endswith(f" {named.replace('NAME', 'b.example')} backup")
    pem = next(name for name in found if name.startswith("maps/ca."))
    assert found[pem] == f"{authority}\n"
    assert f"ca-file /etc/longshore/haproxy/{pem} sni str(b.internal)" in section(text, "backend shop.b")[-1]
    lines = section(text, "backend shop.c")
    assert lines[-1].endswith(" proto h2 send-proxy-v2 maxconn 5 slowstart 30000ms")
    assert {"timeout server 300000ms", "timeout queue 500ms", "compression algo gzip"} <= set(lines)
    assert section(text, "backend shop.d")[-1].endswith(" hash-key addr-port resolvers docker "
        "resolve-prefer ipv4 init-addr last,none ssl verify none alpn h2,http/1.1")  # fmt: skip


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ({"allow": ["192.0.2.1/24"]}, "allow[0]: '192.0.2.1/24' is neither an IP address nor a network"),
        ({"rewrite": "x"}, "rewrite: 'x' must begin with '/'"),
        ({"rewrite": "/a'"}, "rewrite"),
        ({"redirect": "//a b"}, "redirect.to"),
        ({"redirect": {"to": "https://a/?b"}, "backend": None}, "so nothing can be added to it: say keep: false"),
        ({"redirect": {"to": "/b", "code": 200}, "backend": None}, "redirect.code: 200 is not one of 301"),
        ({"redirect": "/b"}, "backend and redirect exclude each other"),
        ({"redirect": "/b", "backend": None, "rewrite": "/x"}, "rewrite can't stand beside redirect"),
        ({"auth": "nobody"}, "asks for 'nobody', and no list of users has that name (there is: none)"),
        ({"request_headers": {"Host": "x"}}, "is HAProxy's own to set"),
        ({"request_headers": {"a b": "x"}}, "is not the name of a header"),
        ({"response_headers": {"x-a": "b\nc"}}, "holds a line end or a control character"),
        ({"match": {"methods": ["G T"]}}, "'G T' is no method"),
        ({"sticky": "always"}, "sticky: 'always' is not one of source, cookie"),
    ],
)
def test_what_a_route_can_not_ask_for(route: dict[str, Any], said: str) -> None:
    assert any(said in error for error in errors_of(route)), errors_of(route)


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ({"scheme": "https"}, "whose certificate is right?"),
        ({"scheme": "ftp"}, "scheme: 'ftp' is not one of http, https, h2c"),
        ({"verify": False}, "verify: belongs to scheme: https"),
        ({"scheme": "https", "verify": {"ca": "x"}}, "holds no certificate"),
        ({"timeouts": {"client": 3}}, "timeouts: unknown client"),
        ({"maxconn": -1}, "maxconn: -1 is not a whole number"),
    ],
)
def test_what_a_backend_can_not_ask_for(backend: dict[str, Any], said: str) -> None:
    found = errors_of({}, {"other": {"service": "shop_x", "port": 1, **backend}})
    assert any(said in error for error in found), found


def test_a_wrong_password_is_not_shown() -> None:
    found = errors_of({}, logins={"staff": {"ann": "hunter2"}})
    assert found == ["logins.staff.ann: is not a hashed password, such as 'openssl passwd -5' makes"]
