# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment's overlay: ``shop.staging.yml`` says what staging has that ``shop.yml`` has not."""

from __future__ import annotations

from .document import Map
from .problems import Problem, suggestion


def overlaid(base: Map, overlay: Map, problems: list[Problem], path: tuple[str, ...] = ()) -> Map:
    """``base`` with ``overlay`` over it: mappings merge, anything else replaces, null removes the key.

    Places keep naming the file that a value came from.
    """
    result = Map(base.mark)
    result.update(base)
    result.places.update(base.places)
    for key, value in overlay.items():
        places = overlay.places[key]
        current = result.get(key)
        if value is None:
            if key in result:
                result.drop(key)
            else:
                mark = places[0]
                dotted = ".".join((*path, key))
                words = "null removes a key, but there is none; an empty mapping is written {}"
                problems.append(
                    Problem(mark.name, mark.line + 1, mark.column + 1, dotted, words, suggestion(key, base))
                )
        elif isinstance(value, Map) and isinstance(current, Map):
            result.put(key, overlaid(current, value, problems, (*path, key)), base.places[key])
        else:
            result.put(key, value, places)
    return result
