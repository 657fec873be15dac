# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short and long forms mean the same, and every default is filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from longshore.definition import Stack
from longshore.definition.load import load_text

HEAD = """\
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 198.51.100.11, private_address: 10.77.0.11, tags: [app, lb]}
  app2: {address: 198.51.100.12, tags: [app]}
secrets: {key: {generate: 32}}
configs: {page: {content: hello}}
networks: {back: }
volumes: {data: {server: app1}}
"""


def load(body: str) -> Stack:
    return load_text(f"{HEAD}{body}".encode(), Path("/srv/none/shop.yml"))


def web(keys: str) -> dict[str, Any]:
    return load(f"services:\n  web: {{image: 'nginx:1', {keys}}}\n").services["web"].normalized()


def test_a_service_of_one_line_has_every_key() -> None:
    assert web("") == {
        "name": "web", "image": "nginx:1", "build": None, "command": None, "entrypoint": None, "environment": {},
        "secret_environment": [], "secrets": [], "configs": [], "healthcheck": None, "mode": "replicated",
        "replicas": 1,
        "placement": {"tags": [], "constraints": [], "max_per_server": None},
        "resources": {"limits": {"cpus": None, "memory": None, "pids": None},
                      "reservations": {"cpus": None, "memory": None}},
        "update": {"order": "start-first", "parallelism": 1, "delay": 0.0, "monitor": 10.0, "deadline": 300.0,
                   "on_failure": "rollback"},
        "restart": {"condition": "any", "delay": 2.0, "max_attempts": None, "window": None},
        "stop_grace_period": 10.0, "stop_signal": None, "init": None, "user": None, "working_dir": None,
        "hostname": None,
        "labels": {}, "cap_add": [], "cap_drop": [], "sysctls": {}, "ulimits": {}, "dns": [], "dns_search": [],
        "extra_hosts": [], "read_only": False, "tty": False, "stdin_open": False, "logging": None, "volumes": [],
        "networks": {"default": {"aliases": []}}, "ports": [], "expose": [], "routes": [], "depends_on": {},
        "before_deploy": None, "endpoint_mode": "dnsrr",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "key", "expected"),
    [
        ("command: \"sh -c 'echo hi'\"", "command", ["sh", "-c", "echo hi"]),
        ("environment: [A=b, C=d=e]", "environment", {"A": "b", "C": "d=e"}),
        ("environment: {A: no, B: 3.10, C: true, D: 0644, E: 22:22}", "environment",
         {"A": "no", "B": "3.10", "C": "true", "D": "0644", "E": "22:22"}),
        ("ports: ['8000-8001:80-81/udp']", "ports",
         [{"target": 80, "published": 8000, "protocol": "udp", "mode": "host"},
          {"target": 81, "published": 8001, "protocol": "udp", "mode": "host"}]),
        ("ports: [{target: 80, published: '8080'}]", "ports",
         [{"target": 80, "published": 8080, "protocol": "tcp", "mode": "host"}]),
        ("ports: [80]", "ports", [{"target": 80, "published": None, "protocol": "tcp", "mode": "host"}]),
        ("expose: [80, '90-91']", "expose", [80, 90, 91]),
        ("volumes: ['data:/d:ro', '/etc:/e']", "volumes",
         [{"type": "volume", "source": "data", "target": "/d", "read_only": True, "size": None, "mode": None},
          {"type": "bind", "source": "/etc", "target": "/e", "read_only": False, "size": None, "mode": None}]),
        ("tmpfs: '/run:size=64m,mode=1777', shm_size: 1g", "volumes",
         [{"type": "tmpfs", "source": None, "target": "/run", "read_only": False, "size": 64 * 1024**2, "mode": 0o1777},
          {"type": "tmpfs", "source": None, "target": "/dev/shm", "read_only": False, "size": 1024**3,
           "mode": 0o1777}]),
        ("secrets: [key, {source: key, target: /k, mode: 0440, uid: 5}]", "secrets",
         [{"source": "key", "target": "/run/secrets/key", "uid": "0", "gid": "0", "mode": 0o400},
          {"source": "key", "target": "/k", "uid": "5", "gid": "0", "mode": 0o440}]),
        ("configs: [page]", "configs", [{"source": "page", "target": "/page", "uid": "0", "gid": "0", "mode": 0o444}]),
        ("restart: 'on-failure:3'", "restart",
         {"condition": "on-failure", "delay": 2.0, "max_attempts": 3, "window": None}),
        ("restart: no", "restart", {"condition": "none", "delay": 2.0, "max_attempts": None, "window": None}),
        ("networks: {back: {aliases: [www]}, default: }", "networks",
         {"back": {"aliases": ["www"]}, "default": {"aliases": []}}),
        ("extra_hosts: {a.example: 192.0.2.1, b: ['192.0.2.2', '::1']}", "extra_hosts",
         ["a.example:192.0.2.1", "b:192.0.2.2", "b:::1"]),
        ("ulimits: {nofile: 1024, nproc: {soft: 1, hard: 2}}", "ulimits",
         {"nofile": {"soft": 1024, "hard": 1024}, "nproc": {"soft": 1, "hard": 2}}),
        ("cap_add: [net_admin, CAP_CHOWN]", "cap_add", ["CAP_NET_ADMIN", "CAP_CHOWN"]),
        ("stop_grace_period: 1m30s", "stop_grace_period", 90.0),
        ("hostname: '{{.Node.Hostname}}'", "hostname", "{{.Node.Hostname}}"),
        ("labels: [a, b=c]", "labels", {"a": "", "b": "c"}),
        ("user: 1000", "user", "1000"),
        ("command: [echo, \"{{ '{{' }} x }}\", '{{.Names}}']", "command", ["echo", "{{ x }}", "{{.Names}}"]),
        ("labels: {a: \"{{ '{{' }} x }}\"}", "labels", {"a": "{{ x }}"}),
        # Swarm expands Docker's templates in the environment; this one leaves the braces.
        ("environment: {A: '{{ \"{{\" }} x }}', B: '{{.Node.Hostname}}'}", "environment",
         {"A": '{{"{{"}} x }}', "B": "{{.Node.Hostname}}"}),
    ],
)  # fmt: skip
def test_short_forms(keys: str, key: str, expected: object) -> None:
    assert web(keys)[key] == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("healthcheck: {test: 'curl -f localhost'}", {"test": ["CMD-SHELL", "curl -f localhost"], "disable": False}),
        ("healthcheck: {test: [CMD, 'true'], interval: 1m}", {"test": ["CMD", "true"], "interval": 60.0}),
        ("healthcheck: {http: /, port: 80, start_interval: 500ms}", {"start_interval": 0.5, "start_period": 5.0}),
        ("healthcheck: {test: NONE}", {"test": [], "disable": True}),
        ("healthcheck: {test: \"echo {{ '{{' }} x }}\"}", {"test": ["CMD-SHELL", "echo {{ x }}"]}),
        ("healthcheck: {http: /healthz}, expose: [3000]", {"http": "/healthz", "tcp": False, "port": 3000}),
        ("routes: [{port: 80}, {port: 81, host: a.example}]", {"tcp": True, "port": 80, "interval": 5.0}),
    ],
)
def test_health_checks(keys: str, expected: dict[str, object]) -> None:
    check = web(keys)["healthcheck"]
    assert {name: check[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        ("volumes: ['data:/d']", "stop-first"),
        ("ports: ['8080:80']", "stop-first"),
        ("ports: [80]", "start-first"),
        ("volumes: ['data:/d'], update: {order: start-first}", "start-first"),
        ("update: {order: stop-first}", "stop-first"),
    ],
)
def test_the_order_follows_from_what_two_tasks_cannot_share(keys: str, order: str) -> None:
    assert web(keys)["update"]["order"] == order


def test_secret_values_travel_apart() -> None:
    service = load(
        "services:\n  web:\n    image: nginx\n    environment:\n      PLAIN: a\n      KEY: '{{ secrets.key }}'\n"
        "      HOME_: '{{ lookup(''env'', ''HOME'') }}'\n"
        "      VAULT: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        3061\n"
    ).services["web"]
    known = service.normalized()
    assert known["environment"] == {"PLAIN": "a"}
    assert known["secret_environment"] == ["KEY", "HOME_", "VAULT"]
    assert set(service.secret_values()) == {"KEY", "HOME_", "VAULT"}
    assert "3061" not in repr(service)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".", {"git": None, "path": "/srv/none", "context": "."}),
        ("{context: ./web, args: {A: 1}}", {"path": "/srv/none/web", "context": ".", "args": {"A": "1"}}),
        (
            "'https://git.example/shop.git#main:web'",
            {"git": "https://git.example/shop.git", "ref": "main", "context": "web"},
        ),
        (
            "{git: 'https://git.example/a.git', context: web}",
            {"git": "https://git.example/a.git", "context": "web", "path": None},
        ),
    ],
)
def test_builds(text: str, expected: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    stack = load_text(f"{HEAD}services: {{web: {{build: {text}}}}}".encode(), tmp_path / "shop.yml")
    build = stack.services["web"].normalized()["build"]
    assert {name: build[name] for name in expected} == {
        name: value.replace("/srv/none", str(tmp_path)) if isinstance(value, str) else value
        for name, value in expected.items()
    }
