# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The maps decide as the rule says: compared with the rule, spelled out, on many sets of routes."""

from __future__ import annotations

from ansible_collections.longshore.stack.plugins.module_utils.haproxy_routes import decisions
from hypothesis import given
from hypothesis import strategies as st

Routes = dict[tuple[str, str], str]
HOSTS = ["", "a.example", "b.a.example", "c.b.a.example", "*.example", "*.a.example", "*.b.a.example"]
PATHS = ["/", "/x", "/x/y", "/xy"]
ASKED_HOSTS = ["a.example", "b.a.example", "c.b.a.example", "d.c.b.a.example", "z.example", "other", "xa.example"]
ASKED_PATHS = ["/", "/x", "/x/", "/x/y", "/x/y/z", "/xy", "/xyz", "/q", "//x"]


def looked_up(maps: dict[str, str], host: str, path: str) -> str | None:
    """What HAProxy's look-ups give: exact, then first suffix in the file's order, then longest prefix."""
    hosts, wildcards, routes = (
        [line.split() for line in maps[name].splitlines()] for name in ("hosts", "wildcards", "routes")
    )
    scope = dict(hosts).get(host) or next((to for suffix, to in wildcards if host.endswith(suffix)), "*")
    fitting = [(key, to) for key, to in routes if f"{scope}{path}/".startswith(key)]
    return max(fitting, key=lambda entry: len(entry[0]))[1] if fitting else None


def by_the_rule(routes: Routes, host: str, path: str) -> str | None:
    def fits(pattern: str, prefix: str) -> bool:
        host_fits = pattern in ("", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))
        return host_fits and (path == prefix or path.startswith(prefix.rstrip("/") + "/"))

    fitting = [key for key in routes if fits(*key)]
    if not fitting:
        return None
    return routes[max(fitting, key=lambda key: (key[0] == host, len(key[0]), len(key[1])))]


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(HOSTS), st.sampled_from(PATHS)), st.sampled_from(["w1", "w2", "w3", "w4"])
    )
)
def test_maps_follow_the_rule(routes: Routes) -> None:
    maps = decisions((host, path, backend) for (host, path), backend in routes.items()).maps
    for host in ASKED_HOSTS:
        for path in ASKED_PATHS:
            assert looked_up(maps, host, path) == by_the_rule(routes, host, path), (host, path, maps)


def test_the_text_does_not_depend_on_the_order() -> None:
    routes = [("a.example", "/", "w"), ("*.a.example", "/x", "v"), ("", "/", "u")]
    assert decisions(routes) == decisions(reversed(routes))


def test_the_text_of_the_maps() -> None:
    routes = [
        ("a.example", "/", "web"),
        ("*.a.example", "/x", "api"),
        ("*.b.a.example", "/", "b"),
        ("", "/x/y", "deep"),
    ]
    assert decisions(routes).maps == {
        "hosts": "a.example a.example\n",
        "wildcards": ".b.a.example *.b.a.example\n.a.example *.a.example\n",
        "routes": "a.example/ web\n*.b.a.example/ b\n*.a.example/x/ api\n*/x/y/ deep\n",
    }
