# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stack files that are nearly right, and texts that are hardly YAML."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import strategies as st
from longshore.definition.compose_keys import SERVICE_KEYS
from longshore.definition.stack import Stack

_SERVICE_KEYS = sorted(SERVICE_KEYS)
_STACK_KEYS = sorted(Stack.model_fields)
_NAMES = st.sampled_from(
    ["web", "api", "data", "app1", "app2", "db1", "key", "default", "edge", "Ünter", "a" * 70, "", "x-a"]
)
_TEXTS = st.sampled_from(
    [
        "nginx:1", "80:80", "8000-8005:8000-8005", "1m30s", "512M", "data:/data", "/etc:/etc:ro", "no", "0440",
        "{{", "}}",
        "{{ secrets.key }}", "{{ databases.main.url }}", "{{ lookup('env', 'A') }}", "{{.Node.Hostname}}", "A=b",
        "app", "lb",
        "198.51.100.7", "ops@gate.example:22", "*.shop.example", "start-first", "global", "local", "shared", "'", "\"",
        "/", "..", "$ANSIBLE_VAULT;1.1", "a:b:c:d", "1e999", "9" * 400, "\x85", "999.999.999.999", "::1",
        "[::1]:22", "-1",
    ]
)  # fmt: skip
_SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(0, 70000),
    st.floats(),
    _TEXTS,
    st.text(max_size=12),
)
_KEYS = st.one_of(st.sampled_from(_SERVICE_KEYS), st.sampled_from(_STACK_KEYS), _NAMES, st.text(max_size=8))


@st.composite
def _anything(draw: st.DrawFn, depth: int = 0) -> Any:
    """A value of any shape, a few levels deep."""
    kind = draw(st.integers(0, 5 if depth < 3 else 3))
    if kind < 4:
        return draw(_SCALARS)
    if kind == 4:
        return [draw(_anything(depth + 1)) for _ in range(draw(st.integers(0, 2)))]
    return {draw(_KEYS): draw(_anything(depth + 1)) for _ in range(draw(st.integers(0, 2)))}


_ANYTHING = _anything()
_FIELDS = [
    "command", "entrypoint", "environment", "env_file", "secrets", "configs", "healthcheck", "mode", "replicas",
    "placement",
    "resources", "update", "restart", "stop_grace_period", "labels", "cap_add", "sysctls", "ulimits", "dns",
    "extra_hosts",
    "logging", "volumes", "tmpfs", "networks", "ports", "expose", "routes", "depends_on", "build", "shm_size",
]  # fmt: skip
_PORTS = st.integers(1, 65535)
_GOOD: dict[str, st.SearchStrategy[Any]] = {
    "image": st.just("nginx:1"),
    "replicas": st.integers(0, 20),
    "ports": st.lists(st.builds("{}:{}".format, _PORTS, _PORTS), max_size=2),
    "routes": st.lists(st.fixed_dictionaries({"port": _PORTS}, optional={"host": _NAMES, "path": _TEXTS}), max_size=2),
    "placement": st.fixed_dictionaries(
        {}, optional={"tags": st.lists(_TEXTS, max_size=2), "max_per_server": st.integers(0, 4)}
    ),
    "update": st.fixed_dictionaries(
        {}, optional={"order": st.sampled_from(["start-first", "stop-first"]), "parallelism": _PORTS}
    ),
    "volumes": st.lists(st.builds("{}:{}".format, _NAMES, st.sampled_from(["/a", "/b", "c"])), max_size=2),
    "depends_on": st.lists(_NAMES, max_size=2),
    "networks": st.lists(_NAMES, max_size=2),
    "environment": st.dictionaries(_NAMES, _TEXTS, max_size=3),
    "secrets": st.lists(_NAMES, max_size=2),
    "healthcheck": st.fixed_dictionaries({}, optional={"http": st.just("/"), "tcp": st.booleans(), "port": _PORTS}),
}
_SERVICES = st.dictionaries(
    _NAMES,
    st.one_of(
        st.fixed_dictionaries({"image": st.just("nginx:1")}, optional={k: v for k, v in _GOOD.items() if k != "image"}),
        st.fixed_dictionaries({}, optional=dict.fromkeys(_FIELDS, _ANYTHING)),
        st.dictionaries(_KEYS, _ANYTHING, max_size=4),
        _ANYTHING,
    ),
    max_size=4,
)
_SERVERS = st.dictionaries(
    _NAMES,
    st.fixed_dictionaries(
        {"address": st.one_of(st.sampled_from(["198.51.100.1", "198.51.100.2", "host.example"]), _TEXTS)},
        optional={
            "tags": st.one_of(st.lists(st.sampled_from(["app", "lb", "db", "build"]), max_size=2), _ANYTHING),
            "manager": st.booleans(),
            "ssh": st.one_of(st.fixed_dictionaries({"gateway": _NAMES}), _ANYTHING),
        },
    ),
    max_size=4,
)
_BASE: dict[str, st.SearchStrategy[Any]] = {"plugin": st.just("longshore.stack.stack"), "name": st.just("shop")}
_OTHERS = {
    name: _ANYTHING
    for name in _STACK_KEYS
    if name not in ("plugin", "name", "servers", "services", "secrets", "volumes")
}

# What goes together, so that more than the first checks are reached.
_RIGHT_SERVERS = {"app1": {"address": "198.51.100.1", "tags": ["app", "lb"]}, "app2": {"address": "198.51.100.2"}}
_RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "replicas": st.integers(0, 20),
    "command": st.sampled_from(["run --now 'a b'", ["run", "--now"]]),
    "environment": st.dictionaries(st.sampled_from("ABC"), st.sampled_from(["b", 1, "{{ secrets.key }}"]), max_size=3),
    "secrets": st.sampled_from([["key"], [{"source": "key", "target": "/run/key", "mode": "0440"}]]),
    "healthcheck": st.sampled_from([{"http": "/"}, {"tcp": 80, "interval": "1s"}, {"test": "true"}, {"disable": True}]),
    "volumes": st.sampled_from([["data:/data:ro"], ["/etc:/host:ro"], [{"type": "tmpfs", "target": "/tmp"}]]),
    "networks": st.sampled_from([["front"], {"front": {"aliases": ["shop"]}, "default": None}]),
    "routes": st.builds(lambda port: [{"host": "*.shop.example", "port": port, "sticky": True}], _PORTS),
    "expose": st.lists(_PORTS, max_size=2),
    "placement": st.sampled_from([{"tags": "app"}, {"tags": ["app"], "max_per_server": 2}, {"constraints": []}]),
    "update": st.fixed_dictionaries(
        {"order": st.sampled_from(["start-first", "stop-first"])},
        optional={"delay": st.sampled_from([0, "1m30s", 2.5])},
    ),
    "restart": st.sampled_from(["no", "always", "unless-stopped", "on-failure:3"]),
    "resources": st.sampled_from([{"limits": {"cpus": 0.5, "memory": "512M"}}, {"reservations": {"cpus": "1"}}]),
    "stop_grace_period": st.sampled_from(["30s", 5, 0.5]),
    "labels": st.sampled_from([{"x": "y"}, ["x=y"]]),
    "logging": st.just({"driver": "local", "options": {"max-size": "10m"}}),
    "ulimits": st.sampled_from([{"nofile": 1024}, {"nofile": {"soft": 1, "hard": 2}}]),
    "tty": st.booleans(),
}
_RIGHT_SERVICE = st.builds(
    lambda right, wrong: {"image": "nginx:1", **right, **wrong},
    st.fixed_dictionaries({}, optional=_RIGHT),
    st.one_of(
        *[st.just({})] * 4, st.fixed_dictionaries({}, optional=_GOOD), st.dictionaries(_KEYS, _ANYTHING, max_size=1)
    ),
)
_RIGHT_STACK: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda services: {
        "plugin": "longshore.stack.stack",
        "name": "shop",
        "servers": _RIGHT_SERVERS,
        "secrets": {"key": {"generate": 32}},
        "volumes": {"data": {"server": "app1"}},
        "networks": {"front": None},
        "services": services,
    },
    st.dictionaries(st.sampled_from(["web", "api", "job"]), _RIGHT_SERVICE, min_size=1),
)

_NEAR: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {**_BASE, "servers": _SERVERS, "services": _SERVICES},
        optional={
            "secrets": st.dictionaries(_NAMES, st.one_of(st.just({"generate": 32}), _ANYTHING), max_size=2),
            "volumes": st.dictionaries(
                _NAMES, st.one_of(st.none(), st.just({"server": "app1"}), _ANYTHING), max_size=2
            ),
        },
    ),
    st.fixed_dictionaries({**_BASE, "servers": _SERVERS, "services": _SERVICES}, optional=_OTHERS),
    st.dictionaries(_KEYS, _ANYTHING, max_size=6),
    _RIGHT_STACK,
)


@st.composite
def near_stacks(draw: st.DrawFn) -> dict[str, Any]:
    """A stack file that is nearly right."""
    return draw(_NEAR)


def _shown(value: Any) -> str:
    return str(yaml.safe_dump(value, allow_unicode=True, sort_keys=False))


def _broken(text: str, cut: int, extra: str) -> str:
    place = cut % (len(text) + 1)
    return text[:place] + extra + text[place + len(extra) // 2 :]


_PIECES = st.sampled_from(
    ["- ", ": ", "? ", "[", "]", "{", "}", "&a ", "*a", "<<: ", "!vault ", "!!int ", "|\n", ">-\n", "\n", "  ", "\t",
     "#", "---\n",
     "services:", "web:", "%YAML 1.1\n", "'", '"', "\ufeff", "\x00", "null", "~"]
)  # fmt: skip
_TEXT: st.SearchStrategy[bytes] = st.one_of(
    _RIGHT_STACK.map(_shown).map(str.encode),
    near_stacks().map(_shown).map(str.encode),
    st.builds(_broken, near_stacks().map(_shown), st.integers(0, 4000), st.one_of(_PIECES, st.text(max_size=5))).map(
        lambda text: text.encode("utf-8", "replace")
    ),
    st.lists(_PIECES, max_size=25).map("".join).map(str.encode),
    st.binary(max_size=60),
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """The bytes of a file that may or may not be a stack file."""
    return draw(_TEXT)
