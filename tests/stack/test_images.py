# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: what pruning spares, what runs on when nothing can be built, private repositories."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .support import ROOT, Lab, StackFile, longshore, until

SERVERS = ("app1", "app2", "app3")
UNITS = "docker.socket docker.service"


def inside(lab: Lab, server: str, command: str) -> None:
    """A command on a server, past its SSH."""
    container = lab.described["hosts"][server]["container"]
    subprocess.run(["docker", "exec", container, "sh", "-c", command], check=True, capture_output=True)


@contextlib.contextmanager
def without(lab: Lab, server: str, what: str) -> Iterator[None]:
    """A server's ``engine``, ``ssh`` or ``registry`` is gone while the block runs."""
    units = {"engine": UNITS, "ssh": "ssh.socket ssh.service", "registry": "docker-registry.service"}[what]
    inside(lab, server, f"systemctl mask --runtime {units}; systemctl stop {units}; pkill -f '[s]shd: root' || true")
    try:
        yield
    finally:
        inside(lab, server, f"systemctl unmask --runtime {units}; systemctl start {units} || true")
        until(lambda: lab.on(server, "docker", "node", "ls", check=False).returncode == 0, 180, f"{server} is back")


def image(shop: StackFile, service: str = "web") -> str:
    """The image that a service runs."""
    return str(longshore(shop, "status", "--json").json["data"]["stack_info"]["services"][service]["image"])


def test_pruning_spares_the_images_of_releases(lab: Lab, shop: StackFile) -> None:
    lists = {lab.on(server, "cat /var/lib/longshore/shop/images").stdout for server in SERVERS}
    assert len(lists) == 1
    assert {image(shop), image(shop, "static")} <= set(lists.pop().split())
    assert lab.on("app3", "stat -c %a /var/lib/longshore/shop/images").stdout.strip() == "644"
    lab.on("app3", "docker pull -q busybox")
    known = lab.on("app3", "docker images --digests").stdout
    assert "busybox" in known
    lab.on("app3", "python3 /usr/lib/longshore/prune-images --days 0")
    left = lab.on("app3", "docker images --digests").stdout
    assert "busybox" not in left
    assert "nginx" in left
    assert "shop/web" in left


def reconfigure(content: dict[str, Any]) -> None:
    content["services"]["web"]["environment"]["GREETING"] = f"Hello {uuid.uuid4().hex[:6]}"


def as_they_are(shop: StackFile, builder: str) -> None:
    """A change is deployed without the only builder, and its image stays."""
    before = image(shop)
    with shop.changed(reconfigure):
        done = longshore(shop, "deploy", "web", "--json")
        assert done.code == 4, done.end
        assert done.json["unreachable"] == [builder]
        notice = next(one for one in done.json["notices"] if "built" in one)
        assert builder in notice
        assert "web" in notice
        assert [change["change"]["name"] for change in done.json["changes"] if change["role"] == "services"] == ["web"]
    assert image(shop) == before


@pytest.mark.long
class TestDeadBuilder:
    """The only builder's engine is gone."""

    @pytest.fixture(scope="class", autouse=True)
    @staticmethod
    def gone(lab: Lab, shop: StackFile) -> Iterator[None]:
        """Until the last of these tests."""
        lab.on("app2", "apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends git docker-buildx")
        with without(lab, "app1", "engine"):
            yield
        assert longshore(shop, "deploy").code == 0

    def test_images_stay_as_they_are(self, shop: StackFile) -> None:
        as_they_are(shop, "app1")

    def test_what_never_ran_cannot_be_kept(self, shop: StackFile) -> None:
        def add(content: dict[str, Any]) -> None:
            content["services"]["new"] = {"build": content["services"]["web"]["build"]}

        with shop.changed(add):
            done = longshore(shop, "deploy")
        assert done.code == 1, done.end
        assert "never built, and cannot be built now: new: app1: no Docker engine answers" in " ".join(
            done.everything.split()
        )

    def test_another_builder_builds(self, shop: StackFile) -> None:
        def two(content: dict[str, Any]) -> None:
            content["servers"]["app2"]["tags"] = ["app", "lb", "build"]
            content["services"]["web"]["build"] |= {"args": {"ONCE": uuid.uuid4().hex}}

        with shop.changed(two):
            done = longshore(shop, "build", "web", "--json")
            assert done.code == 0, done.end


@pytest.mark.long
def test_a_dead_first_manager_hinders_nobody(lab: Lab, shop: StackFile) -> None:
    def change(content: dict[str, Any]) -> None:
        reconfigure(content)
        content["servers"] = {name: content["servers"][name] for name in ("app2", "app1", "app3")}

    with shop.changed(change), without(lab, "app2", "engine"):
        done = longshore(shop, "deploy", "--json")
        assert done.code == 4, done.end
        assert done.json["unreachable"] == ["app2"]
        assert [change["change"]["name"] for change in done.json["changes"] if change["role"] == "services"] == ["web"]
    assert longshore(shop, "deploy").code == 0


@pytest.mark.long
def test_a_dead_registry_leaves_images_as_they_are(lab: Lab, shop: StackFile, repository: Path) -> None:
    before = image(shop)
    (repository / "version.txt").write_text(f"{uuid.uuid4().hex}\n")
    lab.push(repository, "shop")
    with without(lab, "app1", "registry"):
        done = longshore(shop, "deploy", "--json")
        assert done.code == 4, done.end
        assert "registry.longshore.internal:5000 cannot be reached" in done.json["notices"][0]
        assert longshore(shop, "build").code == 1
        assert image(shop) == before
    healed = longshore(shop, "deploy")
    assert healed.code == 0, healed.end
    assert image(shop) != before


# tests/integration/test_images.py has both ways too.
@pytest.mark.parametrize("way", [pytest.param("https", marks=pytest.mark.long), "ssh"])
def test_a_private_repository(lab: Lab, shop: StackFile, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    source = ROOT / "molecule/shared/repositories/shop"
    lab.run("git", "push", "--name", lab.name, "--private", str(source), "secretshop")
    state = ROOT / ".lab" / lab.name
    address = {"https": "https://git.lab/private/secretshop.git", "ssh": "git@git.lab:private/secretshop.git"}[way]
    token = (state / "git.password").read_text().strip()
    key = (state / "id_ed25519").read_text()
    monkeypatch.setenv("GIT_TOKEN", token)
    auth = {
        "https": {"username": "lab", "password": "{{ lookup('env', 'GIT_TOKEN') }}"},
        "ssh": {"ssh_key": "{{ secrets.deploy_key }}"},
    }[way]

    def private(content: dict[str, Any]) -> None:
        content["secrets"]["deploy_key"] = {"file": str(state / "id_ed25519")}
        content["services"]["web"]["build"] = {"git": address, "args": {"ONCE": uuid.uuid4().hex}, "auth": auth}

    since = lab.on("app1", "date +%s").stdout.strip()
    with shop.changed(private):
        done = longshore(shop, "build", "web", "--json")
    assert done.code == 0, done.end
    log = "".join(path.read_text() for path in Path(done.json["log"]).rglob("*") if path.is_file())
    seen = done.everything + log + lab.on("app1", f"journalctl --no-pager -o cat --since @{since}").stdout
    for secret in (token, key.splitlines()[2]):
        assert secret not in seen
        assert not lab.on("app1", f"grep -rlF -e {secret} /var/lib/longshore /run /tmp /root", check=False).stdout


# Ordinary repositories, as others write them: the port that each listens on, and what its page says.
REPOSITORIES = {
    "python": (8000, "Hello from"),
    "node": (3000, "Hello from"),
    "static": (80, "Harbour notes"),
    "multistage": (80, "Built in two stages"),
    "scratch": (8080, "Hello from scratch"),
}


def from_repositories(content: dict[str, Any]) -> None:
    """Services of all of them; the one from scratch, which has no shell, with a secret and a health check."""
    for name, (port, _) in REPOSITORIES.items():
        content["services"][f"from-{name}"] = {
            "build": {"git": f"https://git.lab/{name}.git"},
            "routes": [{"host": f"{name}.example", "port": port}],
            "update": {"monitor": "2s"},
        }
    content["services"]["from-scratch"] |= {
        "environment": {"TOKEN": "{{ secrets.session_key }}"},
        "healthcheck": {"http": "/healthz", "port": 8080, "interval": "1s"},
    }


def test_ordinary_repositories_build_and_serve(lab: Lab, shop: StackFile) -> None:
    with shop.changed(from_repositories):
        done = longshore(shop, "deploy", timeout=400)
        assert done.code == 0, done.end
        for name, (_, page) in REPOSITORIES.items():
            for server in ("app1", "app2"):
                status, body = lab.get(f"http://{lab.address(server)}/", "-H", f"Host: {name}.example")
                assert (status, page in body) == (200, True), (name, server, status, body)
        healthy = "docker ps -q -f label=com.docker.swarm.service.name=shop_from-scratch -f health=healthy"
        assert sum(len(lab.on(server, healthy).stdout.split()) for server in SERVERS) == 1
        value = lab.on("app1", "cat /etc/longshore/shop/credentials/session_key").stdout.strip()
        environment = json.loads(lab.get(f"http://{lab.address('app1')}/env", "-H", "Host: scratch.example")[1])
        assert environment["TOKEN"] == hashlib.sha256(value.encode()).hexdigest()
    assert longshore(shop, "deploy").code == 0
