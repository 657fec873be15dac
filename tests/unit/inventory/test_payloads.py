# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Payloads that are kept from run to run: each run is a program of its own, as ``ansible-playbook`` is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NAME = "ansible_collections.longshore.stack.plugins.modules.guard-ZIP_DEFLATED-none"
OTHER = "ansible.modules.stat-ZIP_DEFLATED-none"
RUN = """
import sys
from pathlib import Path
from ansible import constants
from ansible_collections.longshore.stack.plugins.plugin_utils import payloads
text, *names = sys.argv[1].split()
if len(sys.argv) > 2:
    payloads._SOURCES = {"source": Path(sys.argv[2])}
payloads.reuse()
made = Path(constants.DEFAULT_LOCAL_TMP) / "ansiballz_cache"
made.mkdir(exist_ok=True)
for name in names:
    path = made / name
    if path.exists():
        print(name, path.read_text())
    else:
        path.write_text(text)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where payloads are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ANSIBLE_LOCAL_TEMP", str(tmp_path / "tmp"))
    return tmp_path / "cache/longshore/payloads"


def run(made: str, *sources: Path) -> str:
    """A run that makes its payloads, if it finds none; gives those that it has found."""
    command = [sys.executable, "-c", RUN, f"{made} {NAME} {OTHER}", *map(str, sources)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_run_finds_what_an_earlier_one_has_made(cache: Path) -> None:
    assert run("first") == ""
    assert run("second") == f"{NAME} first\n", "and nothing of what is not ours"
    assert [path.name for path in cache.glob("*/*") if path.suffix != ".zip"] == [NAME]


def test_what_a_changed_source_made_is_another(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = tmp_path / "source/module.py"
    source.write_text("before")
    run("before", source.parent)
    assert run("again", source.parent) == f"{NAME} before\n"
    source.write_text("after it")
    assert run("after", source.parent) == ""


def test_old_versions_go_but_for_the_last(cache: Path) -> None:
    for number in range(6):
        old = cache / f"old{number}"
        old.mkdir(parents=True)
        (old / NAME).write_text("old")
        os.utime(old, (number, number))
    run("first")
    assert {path.name for path in cache.glob("old*")} == {"old2", "old3", "old4", "old5"}


def test_what_others_may_have_written_is_not_used(cache: Path) -> None:
    run("first")
    (kept,) = cache.iterdir()
    kept.chmod(0o777)
    assert run("second") == ""


def test_a_cache_that_cannot_be_written_is_no_error(cache: Path) -> None:
    cache.parent.parent.mkdir()
    cache.parent.write_text("a file")
    assert run("first") == ""
    assert run("second") == ""
