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


def main(words: list[str]) -> int:
    """Run the campaigns; the exit code is pytest's. The long form takes the lab away again."""
    short = "--short" in words
    rest = [word for word in words if word != "--short"]
    name = os.environ.get("LAB", "test")
    environment = os.environ | {"LAB": name, "LONGSHORE_SOAK": "short" if short else "long"}
    command = [sys.executable, "-m", "pytest", "-m", "soak", "-s", "tests/soak", *rest]
    try:
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    finally:
        if not short and os.environ.get("KEEP") != "1":
            subprocess.run([sys.executable, ROOT / "molecule/shared/lab", "down", "--name", name], check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
