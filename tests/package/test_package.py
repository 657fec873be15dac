# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users install: the wheel alone gives the command line and the collection; the tarball gives the collection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
COLLECTION = "ansible_collections/longshore/stack"
STACK = """\
plugin: longshore.stack.stack
name: shop
servers:
  app1: {address: 192.0.2.11, tags: [app, lb]}
services:
  web:
    image: nginx:1
    routes: [{host: shop.example, port: 80}]
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the tarball."""
    directory = tmp_path_factory.mktemp("dist")
    subprocess.run([ROOT / "tests/package/build.sh", directory], check=True, stdout=subprocess.DEVNULL)
    return directory


class Installed:
    """A fresh environment with the wheel and what it asks for, and nothing of the checkout."""

    def __init__(self, wheel: Path, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "venv/bin"
        subprocess.run([sys.executable, "-m", "venv", directory / "venv"], check=True)
        pip = [self.bin / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # The lock's versions, so that the result doesn't change from day to day.
        subprocess.run([*pip, "--constraint", ROOT / "requirements.txt", wheel], check=True)
        (directory / "shop.yml").write_text(STACK)

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A program of the environment, with a clean environment, outside the checkout."""
        environment = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        environment |= {"PATH": f"{self.bin}:/usr/bin:/bin", "ANSIBLE_HOME": str(self.directory / "home"), **variables}
        return subprocess.run(
            [str(self.bin / words[0]), *words[1:]],
            cwd=self.directory,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )


@pytest.fixture(scope="session")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed."""
    return Installed(next(built.glob("*.whl")), tmp_path_factory.mktemp("installed"))


def committed(*folders: str) -> set[str]:
    """Files of these folders that are, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()}


def test_wheel_holds_the_package_and_the_collection_whole(built: Path) -> None:
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    package = {path.replace("runner/", "longshore/", 1) for path in committed("runner")}
    collection = {f"{COLLECTION}/{path}" for path in committed("meta", "playbooks", "plugins", "roles")}
    assert package | collection <= names
    extra = {name for name in names - package - collection if ".dist-info/" not in name}
    assert extra == {f"{COLLECTION}/{name}" for name in ("galaxy.yml", "README.md", "LICENSE")}


def test_tarball_holds_what_works_by_itself(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as tarball:
        names = {member.name for member in tarball if member.isfile()}
    assert committed("meta", "playbooks", "plugins", "roles") <= names
    assert not {name for name in names if name.startswith((".", "runner/", "tests/", "molecule/", "inventories/"))}


def test_wheel_gives_the_command_line(installed: Installed) -> None:
    shown = installed.run("longshore", "--version")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.split() == ["longshore", VERSION]


def test_wheel_reads_a_stack_file(installed: Installed) -> None:
    assert installed.run("longshore", "validate", "-f", "shop.yml").returncode == 0
    (installed.directory / "wrong.yml").write_text(STACK.replace("image:", "imagee:"))
    refused = installed.run("longshore", "validate", "-f", "wrong.yml")
    assert refused.returncode == 3
    assert "imagee" in refused.stdout + refused.stderr


def test_wheel_gives_the_collection(installed: Installed) -> None:
    listed = installed.run("ansible-galaxy", "collection", "list", "longshore.stack", "--format", "json")
    versions = [found["longshore.stack"]["version"] for found in json.loads(listed.stdout).values()]
    assert versions == [VERSION]
    documented = installed.run("ansible-doc", "--json", "longshore.stack.stack_services")
    assert "longshore.stack.stack_services" in json.loads(documented.stdout)


def test_wheel_gives_an_inventory_with_nothing_configured(installed: Installed) -> None:
    listed = installed.run("ansible-inventory", "-i", "shop.yml", "--list")
    assert listed.returncode == 0, listed.stderr
    assert json.loads(listed.stdout)["longshore"]["hosts"] == ["app1"]


def test_a_wrong_stack_file_is_a_failure_for_plain_ansible(installed: Installed) -> None:
    (installed.directory / "wrong.yml").write_text(STACK.replace("image:", "imagee:"))
    run = installed.run("ansible-playbook", "-i", "wrong.yml", "longshore.stack.site")
    assert run.returncode != 0
    assert "imagee" in run.stdout


def test_tarball_installs_without_network(built: Path, installed: Installed, tmp_path: Path) -> None:
    tarball = str(next(built.glob("*.tar.gz")))
    done = installed.run(
        "ansible-galaxy", "collection", "install", tarball, "--offline", "--force", "-p", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    listed = installed.run("ansible-doc", "--list", "--json", "longshore.stack", ANSIBLE_COLLECTIONS_PATH=str(tmp_path))
    assert "longshore.stack.stack_services" in json.loads(listed.stdout)
    assert (tmp_path / COLLECTION / "MANIFEST.json").exists()


def test_tarball_runs_a_playbook_by_its_name(built: Path, installed: Installed, tmp_path: Path) -> None:
    tarball = str(next(built.glob("*.tar.gz")))
    there = str(tmp_path)
    installed.run("ansible-galaxy", "collection", "install", tarball, "--offline", "--force", "-p", there)
    checked = installed.run(
        *("ansible-playbook", "-i", "shop.yml", "--syntax-check", "longshore.stack.site"),
        ANSIBLE_COLLECTIONS_PATH=there,
    )
    assert checked.returncode == 0, checked.stderr
    assert str(tmp_path / COLLECTION / "playbooks/site.yml") in checked.stdout
