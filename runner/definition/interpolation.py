# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose's ``${…}`` in the words of a stack file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .values import has_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_START = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)|(?P<bare>[A-Za-z_][A-Za-z0-9_]*))")
_OPERATOR = re.compile(r":?[-?+]|(?=\})")
# What may stand between the quotes of a template's default without meaning something else there.
_QUOTABLE = re.compile(r"[^'\\|{}$\n]*")


@dataclass(frozen=True)
class _Variable:
    raw: str
    name: str
    operator: str
    word: str


class Interpolation:
    """Replaces variables; ``known`` are those that the file ``.env`` sets. ``note`` gets what has to be looked at."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known

    def now(self, text: str, note: Callable[[str], None]) -> str:
        """``text`` with the values of ``.env`` and the defaults, for all time."""
        return "".join(part if isinstance(part, str) else self._now(part, note) for part in _parts(text))

    def live(self, text: str, note: Callable[[str], None]) -> str:
        """``text`` whose variables each deploy looks up in the operator's environment, where that can be said."""
        return "".join(part if isinstance(part, str) else self._live(part, note) for part in _parts(text))

    def _now(self, found: _Variable, note: Callable[[str], None]) -> str:
        value = self._known.get(found.name)
        there = value is not None and (value != "" or not found.operator.startswith(":"))
        kind = found.operator[-1:]
        if kind == "+":
            result = self.now(found.word, note) if there else ""
        elif there:
            result = value or ""
        else:
            result = self.now(found.word, note) if kind == "-" else found.name
        source = " (.env)" if there else ""
        note(f"{found.raw} is not resolved here; '{result}'{source} stands in its place")
        return result

    def _live(self, found: _Variable, note: Callable[[str], None]) -> str:
        kind = found.operator[-1:]
        if kind == "+" or (kind == "-" and not _QUOTABLE.fullmatch(found.word)):
            return self._now(found, note)
        filters = ""
        if kind == "-":
            filters = f" | default('{found.word}'{', true' if found.operator.startswith(':') else ''})"
        else:
            note(f"{found.raw} is looked up by each deploy, which is refused when it is not set")
        if found.name in self._known:
            note(f"a deploy does not read .env: export {found.name} before it")
        return f"{{{{ lookup('env', '{found.name}'){filters} }}}}"


def _parts(text: str) -> Iterator[str | _Variable]:
    """The text between variables, and the variables; one may stand within another's default."""
    position = 0
    while (found := _START.search(text, position)) is not None:
        yield _literal(text[position : found.start()])
        position = found.end()
        if found["escaped"]:
            yield "$"
        elif found["bare"]:
            yield _Variable(found[0], found["bare"], "", "")
        else:
            end = _closing(text, position)
            operator = _OPERATOR.match(text, position)
            if end is None or operator is None:
                # Compose refuses such a file.
                yield found[0]
                continue
            yield _Variable(text[found.start() : end + 1], found["braced"], operator[0], text[operator.end() : end])
            position = end + 1
    yield _literal(text[position:])


def _literal(text: str) -> str:
    """Braces mean nothing to Compose."""
    return text.replace("{{", "{{ '{{' }}") if has_reference(text) else text


def _closing(text: str, position: int) -> int | None:
    depth = 1
    for index in range(position, len(text)):
        if text[index] == "{" and text[index - 1] == "$":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
    return None
