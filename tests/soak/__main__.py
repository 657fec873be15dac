# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make soak``: the long campaigns, on a lab of their own making; ``--short`` is the form of ``make test``.

Other arguments go to pytest (``-k servers``).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NO_TESTS = 5  # pytest's exit code
DATABASES = "tests/soak/databases"  # on a lab of their own
LONG = ("stack", "databases", "integration")
LONG_PARTS = ("alone",)  # of tests/parts.toml


def main(words: list[str]) -> int:
    """Run the campaigns; the exit code is the last of pytest's that is not 0. The long form takes the labs away again.

    Without words of its own it also has what is too long for ``make test``, each folder and part on a lab of its own.
    """
    short = "--short" in words
    rest = [word for word in words if word != "--short"]
    name = os.environ.get("LAB", "test")
    folders = [] if short or rest else list(LONG)
    form, soak = "short" if short else "long", ("-m", "soak", "-s")
    codes = [run(name, form, short, *soak, "tests/soak", f"--ignore={DATABASES}", *rest)]
    codes += [] if short else [run(f"{name}-data", form, short, *soak, DATABASES, *rest)]
    codes += [run(f"{name}-{folder}"[:16], "short", short, "-m", "long", f"tests/{folder}") for folder in folders]
    if not short:
        codes.append(subprocess.run([sys.executable, ROOT / "tests/soak/page.py"], cwd=ROOT, check=False).returncode)
    if folders:
        codes.append(subprocess.run([sys.executable, "tests/run", *LONG_PARTS], cwd=ROOT, check=False).returncode)
    return next((code for code in reversed(codes) if code), 0)


def run(lab: str, form: str, keep: bool, *words: str) -> int:
    """Run pytest on a lab that is gone afterwards; its exit code. That nothing there was asked for is no failure."""
    environment = os.environ | {"LAB": lab, "LONGSHORE_SOAK": form}
    try:
        command = [sys.executable, "-m", "pytest", *words]
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        return 0 if code == NO_TESTS else code
    finally:
        if not keep and os.environ.get("KEEP") != "1":
            subprocess.run([sys.executable, ROOT / "molecule/shared/lab", "down", "--name", lab], check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
