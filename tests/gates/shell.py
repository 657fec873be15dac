# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""shellcheck over every shell script of the checkout, found by its first line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tracked import ROOT, tracked

SHELL = re.compile(rb"#!\s*/(usr/)?bin/(env )?(ba|da)?sh\b")


def main() -> int:
    """The exit code of shellcheck."""
    scripts = []
    for path in tracked():
        if path.endswith(".j2"):
            continue
        with (ROOT / path).open("rb") as file:
            if SHELL.match(file.readline(100)):
                scripts.append(path)
    if not scripts:
        print("found no shell script: the search is broken")
        return 1
    command = [Path(sys.executable).parent / "shellcheck", "--severity=warning", *scripts]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
