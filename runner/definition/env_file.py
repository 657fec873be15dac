# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment files: NAME=value lines."""

from __future__ import annotations

import re

from .values import has_reference

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse(text: str) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """The values in ``text``, and the lines (from 1) that are wrong.

    As Compose reads them, without interpolation: blank lines and ``#`` lines are skipped, a value may be quoted,
    `` #`` begins a remark after an unquoted one.
    """
    values: dict[str, str] = {}
    wrong: list[tuple[int, str]] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = _LINE.fullmatch(stripped)
        if not found:
            wrong.append((number, "must be NAME=value"))
            continue
        value = _value(found[2])
        if value is None:
            wrong.append((number, "has a quote without its end"))
        elif "\0" in value:
            wrong.append((number, "has a control character: '\\x00'"))
        elif has_reference(value):
            words = "'{{ … }}' is not resolved in a file: write it in environment (braces themselves: {{ '{{' }})"
            wrong.append((number, words))
        else:
            values[found[1]] = value
    return values, wrong


def _value(text: str) -> str | None:
    quote = text[:1]
    if quote not in ("'", '"'):
        return re.split(r"\s+#", text, maxsplit=1)[0].rstrip()
    found = re.fullmatch(r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")\s*(?:#.*)?""", text)
    if not found:
        return None
    if quote == "'":
        return found[1]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), found[2])
