# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's own packages, from a repository that is built and signed as Docker's is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from test_docker_host import SCENARIO, changed, converge

SCRIPT = SCENARIO / "repository.sh"
SOURCES = "/etc/apt/sources.list.d/docker.sources"
testinfra_hosts = ["ansible://app3"]


@pytest.fixture(scope="module")
def key(host: Any) -> Iterator[str]:
    """The checksum of the repository's key; the server has no engine before and after."""
    host.run_expect([0], f"cat >/root/repository.sh <<'SCRIPT'\n{SCRIPT.read_text()}SCRIPT")
    made = host.check_output("sh /root/repository.sh make")
    yield f"sha256:{made.split()[-1]}"
    host.run_expect([0], "sh /root/repository.sh remove && rm /root/repository.sh")


def options(**variables: str) -> list[str]:
    """Options for Docker's packages on this server."""
    chosen = {
        "target": "app3",
        "docker_host_source": "docker",
        "docker_host_repository": "http://127.0.0.1:8088",
        **variables,
    }
    return [word for name, value in chosen.items() for word in ("-e", f"{name}={value}")]


def test_another_key_is_refused_before_anything_changes(host: Any, key: str) -> None:
    done = converge({}, *options())
    assert done.returncode == 2
    assert "checksum" in done.stdout
    assert changed(done.stdout) == []
    assert not host.file(SOURCES).exists


def test_the_engine_comes_from_there(host: Any, key: str) -> None:
    chosen = options(docker_host_repository_key=key)
    predicted, done = converge({}, *chosen, "--check"), converge({}, *chosen)
    assert done.returncode == 0, done.stdout
    assert changed(predicted.stdout) == changed(done.stdout) != []
    assert host.package("docker-ce").version == "5:99.0"
    assert not host.package("docker.io").is_installed
    host.run_expect([0], "docker info && docker buildx version")
    assert changed(converge({}, *chosen).stdout) == []


def test_it_is_not_exchanged_under_its_containers(host: Any, key: str) -> None:
    done = converge({}, "-e", "target=app3")
    assert done.returncode == 2
    assert "the package docker-ce is installed" in done.stdout
    assert changed(done.stdout) == []
