# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Compose file becomes a stack file that loads; what has no place here is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from longshore.definition import DefinitionError, import_compose, load

COMPOSE = """\
name: Shop App
version: "3.8"
services:
  web.app:
    image: ${REGISTRY}/app:${TAG:-latest}
    container_name: web
    ports: ["127.0.0.1:8080:80"]
    environment: [A=1, B, "C=${X:-q}", "D=$$5"]
    volumes: ["data:/data", "/cache", "./nginx.conf:/etc/nginx.conf:ro", "./src:/src"]
    depends_on: {db: {condition: service_healthy}, init: {condition: service_completed_successfully}}
    deploy:
      replicas: 1
      resources: {limits: {cpus: "0.5"}}
      update_config: {order: start-first, failure_action: continue}
    mem_limit: 1g
    networks: [front]
  db:
    image: postgres:17
    secrets: [pw]
    healthcheck: {test: pg_isready, start_interval: 1s}
  init: {image: "busybox:1"}
volumes: {data: }
networks: {front: {driver: bridge, ipam: {config: [{subnet: 10.1.0.0/24}]}}}
secrets: {pw: {external: true}}
"""


@pytest.fixture
def compose(tmp_path: Path) -> Path:
    (tmp_path / "nginx.conf").write_text("events {}\n")
    file = tmp_path / "compose.yml"
    file.write_text(COMPOSE)
    return file


def test_the_result_loads_and_means_the_same(compose: Path) -> None:
    result = import_compose(compose)
    file = compose.with_name("stack.yml")
    file.write_text(result.text)
    stack = load(file)
    web = stack.services["web-app"].normalized()
    assert stack.name == "shop-app"
    assert web["image"] == "REGISTRY/app:latest"
    assert web["environment"] == {"A": "1", "D": "$5"}
    assert web["secret_environment"] == ["B", "C"]
    assert stack.services["web-app"].environment["C"] == "{{ lookup('env', 'X') | default('q', true) }}"
    assert web["resources"]["limits"] == {"cpus": 0.5, "memory": 1024**3, "pids": None}
    assert [(mount["source"], mount["target"]) for mount in web["volumes"]] == [
        ("data", "/data"),
        ("web-app-cache", "/cache"),
    ]
    assert web["configs"][0]["target"] == "/etc/nginx.conf"
    assert web["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert list(stack.networks) == ["front"]
    assert stack.secrets["pw"].env == "PW"


@pytest.mark.parametrize(
    "start",
    [
        "servers.server1.address: 192.0.2.1 is a placeholder",
        "services.web.app: is called 'web-app' here",
        "services.web.app.image: ${REGISTRY} is not resolved here",
        "services.web.app.container_name: refused: ",
        "services.web.app.ports: 127.0.0.1:8080:80: the address is not taken over",
        "services.web.app.environment.B: has no value",
        "services.web.app.volumes: /cache has no name",
        "services.web.app.volumes: ./src on /src is not taken over",
        "services.web.app.depends_on.init: not taken over",
        "services.web.app.deploy.update_config.failure_action: continue is not taken over",
        "services.web.app.deploy.update_config.order: stop-first",
        "secrets.pw: external",
        "networks.front.ipam: not taken over",
    ],
)
def test_nothing_is_dropped_in_silence(compose: Path, start: str) -> None:
    result = import_compose(compose)
    note = [note for note in result.notes if note.startswith(start)]
    assert note
    assert f"# - {note[0]}" in result.text


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "compose.yml").write_text("services: [")
    with pytest.raises(DefinitionError):
        import_compose(tmp_path / "compose.yml")
