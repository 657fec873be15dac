# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make check``: every gate, two at a time; ``python tests/gates NAME...`` runs some of them.

Prints one line per gate, the whole output of those that fail, and ``N passed, N failed``; exits 1 when one failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
COLLECTION = "ansible_collections.longshore.stack.plugins"


@dataclass(frozen=True)
class Gate:
    """A command that exits 0 when all is well."""

    name: str
    command: tuple[str, ...]


# The slowest first, so that the two columns end together.
GATES = (
    Gate("sanity", ("python", "tests/gates/sanity.py")),
    Gate("ansible-lint", ("ansible-lint", "--nocolor", "-q")),
    Gate("unit", ("pytest", "-q", "--no-header")),
    Gate(
        "docs",
        (
            "antsibull-docs",
            "lint-collection-docs",
            "--plugin-docs",
            "--skip-rstcheck",
            "--validate-collection-refs=self",
            ".",
        ),
    ),
    Gate(
        "mypy",
        (
            "mypy",
            *("-p", "longshore"),
            *("-p", f"{COLLECTION}.module_utils"),
            *("-p", f"{COLLECTION}.modules"),
            *("-p", f"{COLLECTION}.plugin_utils"),
            *("-p", f"{COLLECTION}.action"),
            *("-p", f"{COLLECTION}.filter"),
            *("-p", f"{COLLECTION}.inventory"),
            # The lab, and the client that puts load on it
            *("-p", "lab"),
            *("-p", "client"),
        ),
    ),
    Gate("yamllint", ("yamllint", "--strict", ".")),
    Gate("changelog", ("antsibull-changelog", "lint")),
    Gate("ruff", ("ruff", "check", "--quiet")),
    Gate("format", ("ruff", "format", "--check", "--quiet")),
    Gate("shell", ("python", "tests/gates/shell.py")),
    Gate("text", ("python", "tests/gates/text.py")),
)


def run(gate: Gate) -> tuple[Gate, int, str, float]:
    """Run one; gives it back with its exit code, everything it wrote, and the seconds it took."""
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
        "NO_COLOR": "1",
    }
    began = time.monotonic()
    ended = subprocess.run(
        [str(BIN / gate.command[0]), *gate.command[1:]],
        cwd=ROOT,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return gate, ended.returncode, ended.stdout, time.monotonic() - began


def main(names: Sequence[str]) -> int:
    """Run the named gates, or all."""
    unknown = set(names) - {gate.name for gate in GATES}
    if unknown:
        print(f"no such gate: {', '.join(sorted(unknown))}; there are: {', '.join(gate.name for gate in GATES)}")
        return 2
    wanted = [gate for gate in GATES if not names or gate.name in names]
    failed = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for done in as_completed([pool.submit(run, gate) for gate in wanted]):
            gate, code, output, seconds = done.result()
            failed += bool(code)
            print(f"{'FAILED' if code else 'ok':<7}{gate.name:<14}{seconds:6.1f} s", flush=True)
            if code:
                print(output.rstrip(), flush=True)
    print(f"{len(wanted) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
