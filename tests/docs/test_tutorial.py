# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``, and then the tutorial word for word, on its servers. They stay if they were there before."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from documents import ROOT, blocks, commands

TUTORIAL = ROOT / "docs/tutorial.md"
pytestmark = pytest.mark.demo


class Step(NamedTuple):
    """A command of the tutorial: its exit code, what its output says, and what is edited before, as the text asks."""

    command: str
    code: int = 0
    says: str = ""
    edit: tuple[str, str] | None = None


STEPS = (
    Step("make setup"),
    Step(".venv/bin/longshore lab up", says="198.51.100.13"),
    Step("cd hello"),
    Step("../.venv/bin/longshore validate"),
    Step("../.venv/bin/longshore plan", 2, "web"),
    Step("../.venv/bin/longshore up", says="hello.example/ → web:80"),
    Step("../.venv/bin/longshore status", says="Release 1"),
    Step("curl -H 'Host: hello.example' http://198.51.100.11/", says="nginx"),
    Step("curl -H 'Host: hello.example' http://198.51.100.12/", says="nginx"),
    Step(
        "../.venv/bin/longshore plan",
        2,
        "replicas",
        ("    replicas: 2\n", "    replicas: 4\n    resources: {limits: {memory: 64M}}\n"),
    ),
    Step("../.venv/bin/longshore deploy web", says="4/4"),
    Step("../.venv/bin/longshore ps", says="app3"),
    Step(
        "../.venv/bin/longshore deploy web",
        1,
        "there is no such image",
        ("image: nginx:1\n", "image: nginx:no-such-tag\n"),
    ),
    Step("echo $?", says="1"),
    Step("../.venv/bin/longshore releases", says="2"),
    Step("../.venv/bin/longshore rollback", says="2/2"),
    Step("../.venv/bin/longshore lab kill app3", edit=("image: nginx:no-such-tag\n", "image: nginx:1\n")),
    Step("../.venv/bin/longshore status", 4, "app3"),
    Step("../.venv/bin/longshore lab start app3"),
    Step("../.venv/bin/longshore up"),
    Step("../.venv/bin/longshore destroy --yes-destroy hello"),
    Step("../.venv/bin/longshore lab down"),
)


@pytest.fixture(scope="module")
def kept() -> Iterator[bool]:
    """The demo's servers run. Whether they did before."""
    there = (ROOT / ".lab/lab/state.json").exists()
    try:
        done = subprocess.run([ROOT / "tests/demo.sh"], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        yield there
    finally:
        if not there:
            subprocess.run([ROOT / ".venv/bin/longshore", "lab", "down"], check=True)


def test_tutorial(kept: bool, tmp_path: Path) -> None:
    assert commands(TUTORIAL) == [step.command for step in STEPS]
    (tmp_path / "hello").mkdir()
    for name in (".venv", ".lab"):
        (tmp_path / name).symlink_to(ROOT / name)
    stack = tmp_path / "hello/stack.yml"
    stack.write_text(blocks(TUTORIAL, "yaml")[0])
    directory, code = ROOT, 0
    for step in STEPS:
        if step.edit:
            before, after = step.edit
            assert before in stack.read_text()
            stack.write_text(stack.read_text().replace(before, after))
        if step.command == "cd hello":
            directory = stack.parent
        elif not (kept and step.command.endswith("lab down")):
            script = f"(exit {code}); {step.command}"
            done = subprocess.run(["bash", "-c", script], cwd=directory, check=False, capture_output=True, text=True)
            code = done.returncode
            told = f"{step.command}\n{done.stdout}{done.stderr}"
            assert code == step.code, told
            assert step.says in done.stdout + done.stderr, told
