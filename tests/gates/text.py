# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no other tool looks for: licence headers, paths of one machine, unfinished work, stray spaces, large files."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tracked import ROOT, tracked

HEADER = "# Copyright (c) 2026, The Longshore founders\n# GNU General Public License v3.0+ (see LICENSE or"
# Where this checkout lies, whoever works on it is at home, or a Mac keeps homes; and root's tools.
PLACES = [re.escape(str(path)) for path in (ROOT, Path.home()) if len(path.parts) > 2]
MACHINE = re.compile(r"(?<![\w.}])(?:" + "|".join([*PLACES, r"/Users/[a-z]", r"/root/\.(?!ssh|docker)\w"]) + ")")
# Spelled so that this file doesn't match it.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b|NotImplemented[E]rror")
LARGEST = 200_000  # bytes: more is a build product or a dump
GENERATED = ("docs/figures/", "LICENSE")


def problems(path: str, text: str) -> Iterator[str]:
    """Lines such as ``tests/run:3: …`` for one file."""
    if path.endswith(".py") and text and HEADER not in text[:300]:
        yield f"{path}:1: the licence header is missing"
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE.search(line):
            yield f"{path}:{number}: a path of one machine"
        if UNFINISHED.search(line):
            yield f"{path}:{number}: unfinished work"
        if line != line.rstrip() and not path.endswith(".md"):
            yield f"{path}:{number}: white space at the end of the line"
    if text and not text.endswith("\n"):
        yield f"{path}: no newline at the end"


def main() -> int:
    """1 when something was found."""
    found: list[str] = []
    for path in tracked():
        file: Path = ROOT / path
        if path.startswith(GENERATED):
            continue
        if file.stat().st_size > LARGEST:
            found.append(f"{path}: larger than {LARGEST} bytes")
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found.extend(problems(path, text))
    print("\n".join(found), end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
