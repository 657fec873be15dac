# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that a server keeps give what sent ones give; that servers keep them is tried on real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.plugin_utils import kept_modules, kept_on_server, payloads

PLUGINS = Path(kept_modules.__file__).parents[1]
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))
# They run on the controller alone.
LOCAL = {"guard", "leave_out"}
INTERNAL = {
    "_ansible_remote_tmp": "/tmp",
    "_ansible_tmpdir": None,
    "_ansible_keep_remote_files": False,
    "_ansible_target_log_info": None,
    "_ansible_tracebacks_for": [],
}


# In a process of its own: Ansible's loader of collections stays once it is there.
MAKE = """
import json, sys
from ansible.plugins.loader import action_loader, init_plugin_loader, module_loader
init_plugin_loader()
from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.longshore.stack.plugins.plugin_utils.kept_modules import KeptModule
made, actions = {}, {}
for module in sys.argv[2:]:
    name = f"longshore.stack.{module}"
    found = module_loader.find_plugin_with_context(name)
    built = modify_module(
        module_name=name,
        module_path=found.plugin_resolved_path,
        module_args=json.loads(sys.argv[1]),
        templar=Templar(loader=DataLoader()),
        task_vars={"ansible_python_interpreter": sys.executable},
    )
    made[module] = built.b_module_data.decode()
    actions[module] = issubclass(action_loader.get(found.action_plugin or name, class_only=True), KeptModule)
json.dump([made, actions], sys.stdout)
"""


@pytest.fixture(scope="session")
def made() -> Any:
    """By module: what Ansible sends when nothing is given, and whether its action makes it short."""
    words = [sys.executable, "-c", MAKE, json.dumps(INTERNAL), *MODULES]
    return json.loads(subprocess.run(words, capture_output=True, check=True).stdout)


@pytest.fixture(scope="session")
def sent(made: Any) -> dict[str, bytes]:
    """By module: what Ansible sends when nothing is given."""
    return {module: text.encode() for module, text in made[0].items()}


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All modules in one file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        payloads.bundle.cache_clear()
        found = payloads.bundle()
        assert found
        assert payloads.bundle.__wrapped__() == found, "it is found again"
    payloads.bundle.cache_clear()
    return found


@pytest.fixture(scope="session")
def kept(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a server has of it."""
    directory = tmp_path_factory.mktemp("modules")
    kept_on_server.keep(str(directory), bundle.stem, bundle.read_bytes())
    return directory / bundle.stem


def answer(program: bytes) -> Any:
    """What a program prints that is given on standard input, as modules are."""
    done = subprocess.run([sys.executable, "-S", "-E"], input=program, capture_output=True, check=False)
    return json.loads(done.stdout or done.stderr)


def test_a_kept_module_gives_what_a_sent_one_gives(sent: dict[str, bytes], bundle: Path, tmp_path: Path) -> None:
    program = kept_modules.shortened(sent["host_size"], str(tmp_path / "modules" / bundle.stem))
    assert program
    assert len(program) < len(sent["host_size"]) / 50
    assert answer(program) == {"longshore_modules_missing": True}
    kept_on_server.keep(str(tmp_path / "modules"), bundle.stem, bundle.read_bytes())
    assert answer(program) == answer(sent["host_size"])
    assert list((tmp_path / "modules").rglob("*.pyc")), "it will not be compiled again"


@pytest.mark.parametrize("module", sorted(set(MODULES) - LOCAL))
def test_all_that_a_module_imports_is_kept(module: str, sent: dict[str, bytes], kept: Path) -> None:
    """Without the arguments that it wants, it says so; only then has it imported all of it."""
    program = kept_modules.shortened(sent[module], str(kept))
    assert program
    told = answer(program)
    assert not told.get("exception"), told


def test_what_ansible_does_otherwise_is_left_to_it(sent: dict[str, bytes]) -> None:
    known = sent["host_size"]
    assert kept_modules.shortened(known.replace(b"\nextensions={}", b"\nextensions={'coverage': {}}"), "/x") is None
    assert kept_modules.shortened(known.replace(b"\nprofile=", b"\ncontour="), "/x") is None
    assert kept_modules.shortened(b"#!/bin/sh\n", "/x") is None


def test_nothing_is_there_of_what_could_not_be_unpacked(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="zip"):
        kept_on_server.keep(str(tmp_path), "it", b"half of it")
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_used_for_long_is_removed(bundle: Path, tmp_path: Path) -> None:
    for name in ("long-ago", "lately"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "long-ago", (0, 0))
    for _again in range(2):
        kept_on_server.keep(str(tmp_path), "it", bundle.read_bytes())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["it", "lately"]


def test_every_module_runs_from_what_is_kept(made: Any) -> None:
    assert made[1] == {module: module not in LOCAL for module in MODULES}
