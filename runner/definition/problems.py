# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a stack file, and where."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong. ``line`` and ``column`` count from 1; ``path`` is dotted, empty for the whole file."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: "
        path = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return one_line(f"{place}{path}{self.message}{hint}")


class DefinitionError(ValueError):
    """The stack file can't be used. ``problems`` has every reason, in the order of the file; str() a line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


def one_line(text: str) -> str:
    """``text`` with what a terminal would act on (line ends, control characters) as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` for the most similar of the ``known`` names, or an empty text."""
    close = difflib.get_close_matches(wrong[:80], list(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""
