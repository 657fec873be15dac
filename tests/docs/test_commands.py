# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command that a document shows exists, with its options. (`test_tutorial.py` runs some.)"""

from __future__ import annotations

import ast
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from documents import ROOT, blocks, commands, documents
from longshore.cli.app import app

sys.path.insert(0, str(ROOT / "molecule/shared"))
from lab import cli as lab

SHOWN = [(document.relative_to(ROOT), command) for document in documents() for command in commands(document)]
SETTING = re.compile(r"[A-Z_]+=\S*")
PARTS = re.compile(r"\s(?:&&|\|)\s")


def parse(command: Any, words: list[str], parent: Any = None) -> None:
    """Parse as the command line does, running nothing; raises a usage error for what it doesn't know."""
    context = command.context_class(command, info_name=command.name, parent=parent, **command.context_settings)
    values, rest, _ = command.make_parser(context).parse_args(list(words))
    if hasattr(command, "commands") and rest:
        assert rest[0] in command.commands, f"there is no command {rest[0]}"
        parse(command.commands[rest[0]], rest[1:], context)
    elif not values.get("help"):
        missing = [p.name for p in command.params if p.required and values.get(p.name) in (None, ())]
        assert not missing, f"without {missing}"


def check(words: list[str]) -> None:
    """Fails for a command of ours that doesn't exist. What isn't ours (curl, git, apt-get …) is passed over."""
    program = Path(words[0]).name
    if program == "longshore" and words[1:2] == ["lab"]:
        lab.parser().parse_args(words[2:])
    elif program == "longshore":
        parse(typer.main.get_command(app), words[1:])
    elif program == "python" and words[1:2] == ["molecule/shared/lab"]:
        lab.parser().parse_args(words[2:])
    elif program == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert {word for word in words[1:] if not SETTING.fullmatch(word)} <= targets
    elif program == "ansible-playbook":
        for name in (word.removeprefix("longshore.stack.") for word in words if word.startswith("longshore.stack.")):
            assert (ROOT / f"playbooks/{name}.yml").is_file()
    elif program == "molecule" and "-s" in words:
        assert (ROOT / "molecule" / words[words.index("-s") + 1] / "molecule.yml").is_file()


@pytest.mark.parametrize(("document", "command"), SHOWN, ids=[f"{document}: {command}" for document, command in SHOWN])
def test_command_exists(document: Path, command: str) -> None:
    for part in PARTS.split(command):
        words = shlex.split(part)
        while words and (SETTING.fullmatch(words[0]) or words[0] in ("sudo", "time")):
            words.pop(0)
        try:
            check(words)
        except SystemExit as error:  # argparse
            pytest.fail(f"{part}: refused ({error.code})")


def test_the_two_commands_come_first() -> None:
    """The README begins with what a fresh machine needs."""
    shown = commands(ROOT / "README.md")
    assert {"make demo", "make test"} <= set(shown)


def test_an_unknown_option_would_be_noticed() -> None:
    with pytest.raises(Exception, match="no-such"):
        check(["longshore", "up", "--no-such"])
    with pytest.raises(AssertionError, match="no command"):
        check(["longshore", "upp"])


STACKS = [
    (document.relative_to(ROOT), block)
    for document in documents()
    for block in blocks(document, "yaml")
    if block.startswith(("plugin: longshore.stack.stack", "# stack.yml\nplugin:"))
]


@pytest.mark.parametrize(
    ("document", "block"), STACKS, ids=[f"{document}-{n}" for n, (document, _) in enumerate(STACKS)]
)
def test_a_whole_stack_file_is_valid(document: Path, block: str, tmp_path: Path) -> None:
    from longshore.stack import Stack  # noqa: PLC0415 - pydantic only here

    file = tmp_path / "hello/stack.yml"
    file.parent.mkdir()
    file.write_text(block)
    for name in ("id_ed25519", "known_hosts"):  # what `lab up` makes
        (tmp_path / ".lab/lab").mkdir(parents=True, exist_ok=True)
        (tmp_path / ".lab/lab" / name).touch()
    assert yaml.safe_load(block)["name"]
    Stack.load(file, None)


PROGRAMS = [(document.relative_to(ROOT), block) for document in documents() for block in blocks(document, "python")]


@pytest.mark.parametrize(("document", "block"), PROGRAMS, ids=[str(document) for document, _ in PROGRAMS])
def test_a_program_imports_what_exists(document: Path, block: str) -> None:
    compile(block, str(document), "exec")
    imports = [node for node in ast.parse(block).body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), str(document), "exec"), {})  # noqa: S102 - imports of our own documents
