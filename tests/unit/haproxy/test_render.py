# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration's text: what stands in it, and what another stack's coming and going leaves alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import normalize, settings_of
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_render import maxconn_for, quoted, render
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_unit import label_in, units_of

SHOP = normalize(
    "shop",
    [
        {"host": "shop.example", "backend": "web"},
        {"host": "shop.example", "path": "/cart", "backend": "web", "sticky": True},
    ],
    {"web": {"service": "shop_web", "port": 3000, "maximum": 9, "check": {"http": "/healthz"}}},
    {},
)
BLOG = normalize(
    "blog",
    [{"host": "blog.example", "backend": "web"}],
    {
        "web": {
            "servers": [
                {"address": "192.0.2.7", "port": 80},
                {"address": "2001:db8::7", "port": 81},
                {"address": "b.example", "port": 82},
            ],
            "balance": "leastconn",
            "check": {"port": 9000, "interval": 5},
        }
    },
    {},
)
SERVER = (
    "check inter 2000ms fastinter 500ms downinter 1s rise 1 fall 2 "
    "observe layer4 error-limit 2 on-error mark-down tcp-ut 4s"
)
SLOW = SERVER.replace("2000ms", "5000ms") + " port 9000"
MAINTENANCE = (
    '    http-request return status 503 content-type "text/html; charset=utf-8" string \'<!doctype html><html lang=en>'
    "<title>Under maintenance</title><h1>Under maintenance</h1><p>This site is being worked on. "
    "Please come back soon.</p></html>' hdr retry-after 300 hdr cache-control no-store "
    "if { str(STACK),map_str(/etc/longshore/haproxy/maintenance.map) -m found }\n"
)
BY_NAME = "resolvers docker resolve-prefer ipv4 init-addr last,none"


def config(*fragments: dict[str, Any], ipv6: bool = True, **settings: Any) -> str:
    return render(fragments, {**settings_of(fragments), **settings}, 9000, ipv6)["haproxy.cfg"]


def section(text: str, head: str) -> str:
    return next(part for part in text.split("\n\n") if part.splitlines()[0] == head)


def test_a_service_is_found_by_dns_with_room_for_twice_its_tasks() -> None:
    assert section(config(SHOP), "backend shop.web") == (
        "backend shop.web\n"
        "    balance roundrobin\n"
        "    option forwarded proto host for\n"
        "    option httpchk\n"
        "    http-check send meth GET uri '/healthz' ver HTTP/1.1 hdr Host localhost hdr User-Agent longshore-check\n"
        "    http-check expect status 200-399\n"
        f"{MAINTENANCE.replace('STACK', 'shop')}"
        f"    server-template task 1-18 ipv4@tasks.shop_web:3000 {SERVER} {BY_NAME}"
    )


def test_a_sticky_route_has_a_backend_with_a_cookie() -> None:
    assert "cookie" not in section(config(SHOP), "backend shop.web")
    found = section(config(SHOP), "backend shop.web.sticky")
    assert "    cookie longshore insert indirect nocache httponly dynamic attr SameSite=Lax\n" in found
    assert "    dynamic-cookie-key 'shop.web.sticky'\n" in found


def test_servers_with_fixed_addresses() -> None:
    assert section(config(BLOG), "backend blog.web") == (
        "backend blog.web\n"
        "    balance leastconn\n"
        "    option forwarded proto host for\n"
        f"{MAINTENANCE.replace('STACK', 'blog')}"
        f"    server server1 192.0.2.7:80 {SLOW}\n"
        f"    server server2 ipv6@2001:db8::7:81 {SLOW}\n"
        f"    server server3 b.example:82 {SLOW} {BY_NAME}\n"
    )


def test_another_stack_leaves_a_stacks_text_as_it_is() -> None:
    alone, both = config(SHOP), config(BLOG, SHOP)
    for head in ("backend shop.web", "backend shop.web.sticky", "defaults", "resolvers docker"):
        assert section(alone, head).rstrip("\n") == section(both, head).rstrip("\n")
    assert config(SHOP, BLOG) == both


def test_the_configuration_names_itself_and_its_maps() -> None:
    files = render([SHOP], settings_of([SHOP]), 9000, True)
    text = files["haproxy.cfg"]
    other = render([SHOP, BLOG], settings_of([]), 9000, True)["haproxy.cfg"]
    names = {re.search(r"description (longshore-[0-9a-f]{12})\n", each).group(1) for each in (text, other)}  # type: ignore[union-attr]
    assert len(names) == 2
    maps = sorted(name for name in files if name.startswith("maps/"))
    assert [name.partition(".")[0] for name in maps] == ["maps/hosts", "maps/routes", "maps/wildcards"]
    assert all(f"/etc/longshore/haproxy/{name}" in text for name in maps)


def test_what_a_client_says_about_itself_is_deleted_before_the_truth_is_written() -> None:
    lines = [line.strip() for line in section(config(SHOP), "frontend http").splitlines()]
    last_deleted = max(index for index, line in enumerate(lines) if line.startswith("http-request del-header"))
    first_set = min(index for index, line in enumerate(lines) if line.startswith("http-request set-header"))
    assert last_deleted < first_set
    for header in ("x-forwarded- -m beg", "forwarded", "x-real-ip", "x-request-id", "proxy"):
        assert f"http-request del-header {header}" in lines
    assert "http-request set-header x-forwarded-for %[src]" in lines


def test_only_requests_that_change_nothing_are_sent_again() -> None:
    rule = "    http-request disable-l7-retry unless METH_GET or METH_HEAD or METH_OPTIONS\n"
    assert rule in section(config(SHOP), "frontend http")


@pytest.mark.parametrize(("ipv6", "binds"), [(True, [":80", ":::80 v6only"]), (False, [":80"])])
def test_addresses_of_both_families(ipv6: bool, binds: list[str]) -> None:
    found = section(config(SHOP, ipv6=ipv6), "frontend http")
    assert re.findall(r"^    bind (.*)$", found, re.MULTILINE) == binds


@pytest.mark.parametrize("ipv6", [True, False])
def test_the_statistics_are_for_the_published_port_alone(ipv6: bool) -> None:
    binds = re.findall(r"^    bind (.*)$", section(config(SHOP, ipv6=ipv6), "frontend statistics"), re.MULTILINE)
    assert len(binds) == 1 + ipv6
    assert all(bind.endswith(" interface eth0") for bind in binds)


def test_the_statistics_ask_for_a_password_when_there_is_one() -> None:
    assert "auth" not in section(config(SHOP), "frontend statistics")
    text = config(SHOP, stats_password='it\'s # "x"')
    assert "    http-request auth realm statistics unless { http_auth(statistics) }\n" in section(
        text, "frontend statistics"
    )
    assert section(text, "userlist statistics").endswith("""user 'longshore' insecure-password 'it'\\''s # "x"'""")


def test_quoting_leaves_nothing_to_interpret() -> None:
    assert quoted("a b") == "'a b'"
    assert quoted("a'b") == r"'a'\''b'"


@pytest.mark.parametrize(
    ("wanted", "files", "given"), [(0, 20000, 9000), (0, 1_000_000, 20000), (50000, 200_000, 50000), (0, 1024, 100)]
)
def test_connections_fit_the_limit_of_open_files(wanted: int, files: int, given: int) -> None:
    assert maxconn_for(wanted, files) == given


def test_more_connections_than_the_limit_allows_are_refused() -> None:
    with pytest.raises(ValueError, match="limit of this server's engine is 20000, which is enough for 9000"):
        maxconn_for(9001, 20000)


def test_the_unit_runs_the_container_and_knows_itself() -> None:
    settings = settings_of([SHOP])
    unit = units_of(settings, 9000)["/etc/systemd/system/longshore-haproxy.service"]
    for part in (
        "--publish 80:80",
        "--publish 127.0.0.1:8404:8404",
        "--ulimit nofile=20000:20000",
        "--read-only",
        "--cap-drop ALL",
    ):
        assert f"    {part} \\\n" in unit
    other = units_of({**settings, "image": "haproxy:3.2"}, 9000)["/etc/systemd/system/longshore-haproxy.service"]
    assert re.fullmatch("[0-9a-f]{12}", label_in(unit))
    assert label_in(unit) != label_in(other)
    ipv6 = units_of({**settings, "stats_address": "::1"}, 9000)["/etc/systemd/system/longshore-haproxy.service"]
    assert "--publish [::1]:8404:8404" in ipv6
