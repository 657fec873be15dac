# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting quickly, and what may be imported for that."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli_bench import longshore

SLOW = ("pydantic", "ansible", "ansible_runner", "rich", "yaml", "pexpect", "asyncio")


def test_help_imports_nothing_slow() -> None:
    program = (
        "import sys; from longshore.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('SLOW', sorted(set({SLOW!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "SLOW []"


def test_validate_imports_no_ansible() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "longshore.cli", "validate", "-f", "/nonexistent"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert not [line for line in done.stderr.splitlines() if line.rpartition("|")[2].strip().startswith("ansible")]


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "plan",
        "deploy",
        "build",
        "validate",
        "status",
        "ps",
        "logs",
        "exec",
        "run",
        "scale",
        "restart",
        "stop",
        "start",
        "releases",
        "rollback",
        "destroy",
        "schema",
        "import",
        "server",
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    done = longshore(command, "--help")
    assert done.returncode == 0
    assert f"longshore {command}" in done.stdout
    assert len(done.stdout.splitlines()) > 5


def test_version() -> None:
    import longshore as package  # noqa: PLC0415 - beside the helper of this name

    assert longshore("--version").stdout == f"longshore {package.__version__}\n"
