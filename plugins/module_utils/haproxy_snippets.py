# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's own lines of HAProxy's configuration, at defined places. Private to the collection. Pure.

``global``, ``defaults`` (HTTP) and ``frontend`` (each for HTTP) are lines at the end of that section; ``backend`` has
lines for each backend by name; ``sections`` is whole sections, such as ``peers`` or ``cache``. Normalized, only what
was given is there: ``{global: [line, …], …, backend: {web: [line, …]}}``.
"""

from __future__ import annotations

from .haproxy_given import mapping, unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

PLACES = ("global", "defaults", "frontend", "sections")
# Words that begin a section. (https://docs.haproxy.org/3.0/configuration.html)
_HEADS = frozenset(
    {
        "acme", "backend", "cache", "crt-store", "defaults", "fcgi-app", "frontend", "global", "http-errors", "listen",
        "log-forward", "log-profile", "mailers", "peers", "program", "resolvers", "ring", "traces", "userlist",
    }
)  # fmt: skip
# Sections that are ours.
_OURS = frozenset({"global", "defaults", "program"})


def normalize(value: Any, backends: Mapping[str, Any], errors: list[str]) -> dict[str, Any]:
    """The snippets as lists of lines; what is wrong goes to ``errors``."""
    given = mapping("snippets", value, "places and lines", errors)
    unknown("snippets", given, (*PLACES, "backend"), errors)
    made: dict[str, Any] = {}
    for place in PLACES:
        lines = _lines(f"snippets.{place}", given.get(place), place == "sections", errors)
        if lines:
            made[place] = lines
    of_backends = {}
    for name, text in sorted(mapping("snippets.backend", given.get("backend"), "backends and lines", errors).items()):
        if name not in backends:
            errors.append(f"snippets.backend: no backend is named {name!r} (there is: {', '.join(sorted(backends))})")
        lines = _lines(f"snippets.backend.{name}", text, False, errors)
        if lines:
            of_backends[name] = lines
    return {**made, "backend": of_backends} if of_backends else made


def _lines(place: str, value: Any, sections: bool, errors: list[str]) -> list[str]:
    if value is not None and not isinstance(value, (str, list)):
        errors.append(f"{place}: must be lines of HAProxy's configuration")
        return []
    rows = value.splitlines() if isinstance(value, str) else [str(row) for row in value or []]
    lines = [row.rstrip() if sections else row.strip() for row in rows if row.strip()]
    for line in lines:
        words = line.split()
        if not line.replace("\t", " ").isprintable():
            errors.append(f"{place}: holds a control character")
        elif words[0] in (_OURS if sections else _HEADS):
            errors.append(
                f"{place}: {words[0]!r} would begin a section"
                + ("; it is Longshore's own" if sections else "; whole sections belong to snippets.sections")
            )
    if sections and lines and lines[0].split()[0] not in _HEADS:
        errors.append(f"{place}: must begin with a section's head, such as 'cache pictures'")
    return lines


def lines(fragments: Iterable[Mapping[str, Any]], place: str) -> list[str]:
    """The lines of all stacks for one place; each stack's begin with its name."""
    found: list[str] = []
    for fragment in fragments:
        own = fragment.get("snippets", {}).get(place)
        if own:
            found += [f"# Of the stack {fragment['stack']}:", *own]
    return found


def of_backend(fragment: Mapping[str, Any], name: str) -> list[str]:
    """The lines for one backend."""
    found: list[str] = fragment.get("snippets", {}).get("backend", {}).get(name, [])
    return ["# From its stack file:", *found] if found else []


def sections(fragments: Iterable[Mapping[str, Any]]) -> list[str]:
    """Whole sections, one text for each stack that has any."""
    return [
        "\n".join([f"# Of the stack {fragment['stack']}:", *own, ""])
        for fragment in fragments
        for own in [fragment.get("snippets", {}).get("sections")]
        if own
    ]
