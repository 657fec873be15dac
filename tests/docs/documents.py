# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents of the checkout, and the commands and YAML that they show."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def documents() -> list[Path]:
    """Every Markdown file that is, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


def blocks(document: Path, language: str) -> list[str]:
    """The contents of its fenced blocks of one language, without the fence's own indentation."""
    found = []
    for indent, kind, text in FENCE.findall(document.read_text()):
        if kind == language:
            found.append("".join(line.removeprefix(indent) for line in text.splitlines(keepends=True)))
    return found


def commands(document: Path) -> list[str]:
    """The commands of its ``console`` blocks: what stands after ``$ ``, continued lines joined, comments cut off."""
    lines = [line for block in blocks(document, "console") for line in block.replace("\\\n", " ").splitlines()]
    return [re.sub(r"\s+# .*", "", line[2:]).strip() for line in lines if line.startswith("$ ")]
