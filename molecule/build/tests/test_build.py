# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ordinary repositories are built, and their images run on a server that has built none of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCENARIO = Path(__file__).resolve().parents[1]
INVENTORY = SCENARIO.parent / "inventory/lab.py"
LAB = SCENARIO.parent / "shared/lab"
REGISTRY = "registry.longshore.internal:5000"
PORTS = {"python": 8000, "node": 3000, "static": 80, "multistage": 80, "scratch": 8080, "site": 80}
testinfra_hosts = ["ansible://app1"]


@pytest.fixture(scope="module")
def images(host: Any) -> dict[str, str]:
    """The images that came, by service."""
    names = [line for line in host.file("/root/molecule-images").content_string.splitlines() if line]
    return {name.removeprefix(f"{REGISTRY}/molecule/").partition(":")[0]: name for name in names}


@pytest.fixture
def without_registry(host: Any) -> Iterator[None]:
    """Nothing can be pulled."""
    host.run_expect([0], "systemctl stop docker-registry")
    try:
        yield
    finally:
        host.run_expect([0], "systemctl start docker-registry")


@pytest.mark.parametrize("service", sorted(PORTS))
@pytest.mark.usefixtures("without_registry")
def test_it_serves_while_the_registry_is_gone(host: Any, images: dict[str, str], service: str) -> None:
    name, port = f"molecule-{service}", PORTS[service]
    started = host.run(f"docker run -d --rm --pull never --name {name} {images[service]}")
    assert started.rc == 0, started.stderr
    try:
        address = host.check_output(f"docker inspect -f '{{{{.NetworkSettings.IPAddress}}}}' {name}")
        asked = f"curl -sf -m 2 http://{address}:{port}/"
        answer = host.run(f"timeout 20 sh -c 'until {asked}; do sleep 0.1; done'")
        assert answer.rc == 0, host.run(f"docker logs {name}").stdout
        assert answer.stdout.strip()
    finally:
        host.run(f"docker rm -f {name}")


def test_what_the_directory_leaves_out_is_not_in_the_image(host: Any, images: dict[str, str]) -> None:
    listing = host.check_output(f"docker run --rm --pull never {images['site']} ls -A /usr/share/nginx/html").split()
    assert "index.html" in listing
    assert not {"drafts", "Dockerfile", ".dockerignore"} & set(listing)


def test_images_are_deployed_by_digest(images: dict[str, str]) -> None:
    assert set(images) == {*PORTS, "redis"}
    assert all("@sha256:" in name for name in images.values())


def test_no_password_is_in_an_image(host: Any, images: dict[str, str]) -> None:
    for name in images.values():
        assert "molecule-7fK2pQ" not in host.check_output(f"docker history --no-trunc {name}")


def test_the_builder_keeps_the_log_and_no_credentials(host: Any) -> None:
    builder = host.get_host("ansible://app2", ansible_inventory=str(INVENTORY))
    logs = builder.check_output("ls /var/lib/longshore/molecule/builds/node/").split()
    assert any(name.endswith(".log") for name in logs)
    assert builder.run("grep -rl molecule-7fK2pQ /var/lib/longshore /run /root/.docker /tmp").stdout == ""
    assert builder.run("ls -d /run/longshore-build-*").rc != 0
    assert builder.check_output("systemctl is-active longshore-build.slice") == "active"


def test_a_step_of_a_build_is_within_the_limits(host: Any, tmp_path: Path) -> None:
    builder = host.get_host("ansible://app2", ansible_inventory=str(INVENTORY))
    name, run = f"limits-{uuid.uuid4().hex[:10]}", f"limits-{uuid.uuid4().hex[:10]}"
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN : {name} && sleep 301 && true\n")
    push = [sys.executable, str(LAB), "git", "push", "--name", os.environ.get("LAB", "lab"), str(tmp_path), name]
    subprocess.run(push, check=True, capture_output=True)
    given = {"services": {"limits": {"git": f"https://git.lab/{name}.git"}}, "run": run}
    argv = ["ansible-playbook", "-i", str(INVENTORY), str(SCENARIO / "converge.yml"), "-e", json.dumps(given)]
    converge = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        step = "pgrep -xf 'sleep 301'"
        found = builder.run(f'timeout 180 sh -c "until {step}; do sleep 0.2; done"')
        assert found.rc == 0, builder.run("ps axf").stdout
        groups = builder.check_output(f"cat /proc/{found.stdout.split()[0]}/cgroup").splitlines()
    finally:
        builder.run_expect([0], f"mkdir -p /run/longshore/cancel && touch /run/longshore/cancel/{run}")
        output = converge.communicate(timeout=180)[0]
    assert "cancelled by the operator" in output
    paths = {line.split(":", 2)[2] for line in groups if not line.startswith("1:name=systemd")}
    assert all("/longshore.slice/longshore-build.slice/" in path for path in paths if path != "/"), groups
    # Where systemd sets the limits (cgroup version 2), the group that they stand on is the step's.
    slice_of_builds = builder.check_output("systemctl show -P ControlGroup longshore-build.slice")
    assert any(f"{slice_of_builds}/" in path for path in paths), (slice_of_builds, groups)
