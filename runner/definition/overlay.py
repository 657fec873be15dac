# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment's overlay: ``shop.staging.yml`` says what staging has that ``shop.yml`` has not."""

from __future__ import annotations

from typing import Any

from .document import Map, Seq, VaultValue
from .problems import Problem, suggestion

# What may be written as a list too: of NAME=value, or of names.
_PAIRS = (
    ("services", "*", "environment"),
    ("services", "*", "labels"),
    ("services", "*", "sysctls"),
    ("services", "*", "build", "args"),
    ("servers", "*", "sysctl"),
    ("sysctl",),
)
_NAMES = (("services", "*", "networks"), ("services", "*", "depends_on"))


def overlaid(base: Map, overlay: Map, problems: list[Problem], path: tuple[str, ...] = ()) -> Map:
    """``base`` with ``overlay`` over it: mappings merge, anything else replaces, null removes the key.

    Environment, labels and the like merge by name, in whichever form they are written. Places keep naming the file
    that a value came from.
    """
    result = Map(base.mark)
    result.update(base)
    result.places.update(base.places)
    for key, value in overlay.items():
        places = overlay.places[key]
        here = (*path, key)
        current, more = _mapping(result.get(key), here), _mapping(value, here)
        if value is None:
            if key in result:
                result.drop(key)
            else:
                mark = places[0]
                dotted = ".".join(here)
                words = "null removes a key, but there is none; an empty mapping is written {}"
                problems.append(
                    Problem(mark.name, mark.line + 1, mark.column + 1, dotted, words, suggestion(key, base))
                )
        elif isinstance(more, Map) and isinstance(current, Map):
            result.put(key, overlaid(current, more, problems, here), base.places[key])
        else:
            result.put(key, value, places)
    return result


def _mapping(value: Any, path: tuple[str, ...]) -> Any:
    """A list that stands for a mapping as that mapping; anything else as it is."""
    named = any(_fits(path, pattern) for pattern in _NAMES)
    if not isinstance(value, Seq) or not (named or any(_fits(path, pattern) for pattern in _PAIRS)):
        return value
    result = Map(value.mark)
    for item, mark in zip(value, value.places, strict=True):
        if not isinstance(item, str) or isinstance(item, VaultValue):
            return value
        name, equals, text = item.partition("=")
        if name in result or not (named or equals):
            return value
        result.put(item if named else name, Map(mark) if named else text, (mark, mark))
    return result


def _fits(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(wanted in ("*", part) for part, wanted in zip(path, pattern, strict=True))
