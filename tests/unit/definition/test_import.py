# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Compose file becomes a stack file that loads; what has no place here is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from longshore.definition import DefinitionError, Stack, import_compose, load

COMPOSE = """\
name: Shop App
version: "3.8"
services:
  web.app:
    image: ${REGISTRY}/app:${TAG:-latest}
    container_name: web
    ports: ["127.0.0.1:8080:80", "8081:81"]
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
        "services.web.app.ports: 127.0.0.1:8080:80 on 127.0.0.1 is not taken over",
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


def imported(directory: Path, services: str) -> tuple[Stack, list[str]]:
    """The stack that a Compose file's services become, and the notes."""
    for name in ("one", "two"):
        (directory / name).mkdir()
        (directory / name / "a.conf").write_text(name)
    (directory / "compose.yml").write_text(f"services:\n{services}")
    result = import_compose(directory / "compose.yml")
    (directory / "stack.yml").write_text(result.text)
    return load(directory / "stack.yml"), [note for note in result.notes if not note.startswith("servers.")]


def test_names_stay_or_stay_apart(tmp_path: Path) -> None:
    stack, notes = imported(
        tmp_path,
        "  a.b: {image: x, depends_on: [a_b, a-b]}\n  a-b: {image: 'y:1'}\n  a_b: {image: 'z:1'}\n"
        "  web_app: {image: w}\n"
        "  c: {image: v, volumes: [/data/x_y, /data/x-y, './one/a.conf:/1', './two/a.conf:/2']}\n",
    )
    assert {name: service.image for name, service in stack.services.items()} == {
        "a-b-2": "x", "a-b": "y:1", "a_b": "z:1", "web_app": "w", "c": "v",
    }  # fmt: skip
    assert list(stack.services["a-b-2"].depends_on) == ["a_b", "a-b"]
    assert len({mount.source for mount in stack.services["c"].volumes}) == 2
    assert len({grant.source for grant in stack.services["c"].configs}) == 2
    assert "services.a.b: is called 'a-b-2' here, also by others" in notes


def test_variables_mean_what_they_mean_to_compose(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TAG=7\nEMPTY=\n")
    stack, notes = imported(
        tmp_path,
        "  web:\n    image: app:${TAG:?must}-${EMPTY:+no}${TAG:+yes}-${NONE:-${EMPTY:-${TAG}}}\n"
        "    command: [echo, '{{ x }}', '$$A', '${EMPTY-gone}']\n"
        "    environment: ['A=${A:-${B:-c}}', 'P=${P:?must}', 'T=${TAG:-1}', 'X=${X-it}', 'Y=${TAG:+on}', 'Z=$Z']\n",
    )
    web = stack.services["web"]
    assert web.image == "app:7-yes-7"
    assert web.normalized()["command"] == ["echo", "{{ x }}", "$A", ""]
    assert web.environment == {
        "A": "c",
        "P": "{{ lookup('env', 'P') }}",
        "T": "{{ lookup('env', 'TAG') | default('1', true) }}",
        "X": "{{ lookup('env', 'X') | default('it') }}",
        "Y": "on",
        "Z": "{{ lookup('env', 'Z') }}",
    }
    for note in (
        "services.web.image: ${TAG:?must} is not resolved here; '7' (.env) stands in its place",
        "services.web.environment.A: ${A:-${B:-c}} is not resolved here; 'c' stands in its place",
        "services.web.environment.P: ${P:?must} is looked up by each deploy, which is refused when it is not set",
        "services.web.environment.T: a deploy does not read .env: export TAG before it",
    ):
        assert note in notes


def test_a_port_of_this_machine_alone_does_not_become_everybodys(tmp_path: Path) -> None:
    stack, notes = imported(
        tmp_path,
        "  db:\n    image: x\n    ports: ['127.0.0.1:5432:5432', '[::1]:5433:5432', '127.0.0.1::5434', "
        "{target: 80, published: '8080', host_ip: 127.0.0.1}, '0.0.0.0:90:90', '192.0.2.7:91:91', '92:93']\n",
    )
    assert [port.published for port in stack.services["db"].ports] == [90, 91, 92]
    assert not [note for note in notes if "92:93" in note]
    assert len([note for note in notes if "is not taken over: it would be open on every address" in note]) == 4
    assert (
        "services.db.ports: 192.0.2.7:91:91: the address 192.0.2.7 is not taken over; it is open on every address"
        in notes
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("volumes: {}\n", "there are none, so this is no Compose file"),
        ("plugin: longshore.stack.stack\nservices: {web: {image: x}}\n", "is a stack file already"),
    ],
)
def test_what_is_no_compose_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "compose.yml").write_text(text)
    with pytest.raises(DefinitionError, match=message):
        import_compose(tmp_path / "compose.yml")
