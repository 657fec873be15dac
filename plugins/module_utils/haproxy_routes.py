# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes as the three map files in which HAProxy looks a request up.

Private to the collection. Pure. The rule: an exact host before a wildcard, a longer wildcard before a shorter one, a
route for any host last; among the routes of one host the longest path, which ends at a '/' or where the request's does.
Of one host and path those with conditions (methods, headers) are tried first, in their order.
A host whose own routes don't match falls through to the next more general one.

HAProxy finds a request's route in three steps, each one look-up:

1. ``hosts``: the exact host → itself (a tree);
2. ``wildcards``, when that failed: a suffix → ``*.suffix`` (a list, longest first); else ``*``;
3. ``routes``: the longest key that ``<what 1 or 2 gave><path>/`` begins with → the route (a prefix tree).

So that step 3 needs no second try, each host's table also holds what it inherits from the more general ones. Where
conditions decide, step 3 gives the name of a group (``?1``) instead, whose few routes are tried one by one.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    # What is tried for a request, in this order: (condition, route); the last may have no condition.
    Tries = tuple[tuple[str, str], ...]
    Table = dict[str, list[tuple[str, str]]]  # path → the same


class Decisions(NamedTuple):
    """``maps``: the text of ``hosts``, ``wildcards`` and ``routes``; ``groups``: name → what is tried."""

    maps: dict[str, str]
    groups: dict[str, Tries]


def decisions(routes: Iterable[Sequence[str]]) -> Decisions:
    """The maps for routes as (host, path, name) or (host, path, name, condition).

    ``host`` is a name, ``*.`` and a name, or empty for any; ``path`` is ``/`` or ``/a/b`` without a slash at its end.
    """
    tables: dict[str, Table] = {}
    for host, path, name, *condition in routes:
        tables.setdefault(host or "*", {}).setdefault(path, []).append(("".join(condition), name))
    for table in tables.values():
        for tries in table.values():
            tries.sort(key=lambda each: not each[0])
    wildcards = sorted((host for host in tables if host.startswith("*.")), key=lambda host: (-len(host), host))
    hosts = sorted(host for host in tables if not host.startswith("*"))
    found = {
        f"{host}{path.rstrip('/')}/": tries
        for host in [*hosts, *wildcards, "*"]
        for path, tries in sorted(_effective(host, tables, wildcards).items())
    }
    several = sorted({tries for tries in found.values() if tries[0][0]})
    names = {tries: f"?{number}" for number, tries in enumerate(several)}
    return Decisions(
        {
            "hosts": "".join(f"{host} {host}\n" for host in hosts),
            "wildcards": "".join(f"{host[1:]} {host}\n" for host in wildcards),
            "routes": "".join(f"{key} {names.get(tries) or tries[0][1]}\n" for key, tries in found.items()),
        },
        {name: tries for tries, name in names.items()},
    )


def _effective(host: str, tables: Mapping[str, Table], wildcards: Iterable[str]) -> dict[str, Tries]:
    """What is tried below each path that decides anything for ``host``, its own and those of more general ones."""
    more_general = [other for other in wildcards if other != host and _covers(other, host)]
    chain = [tables.get(name, {}) for name in [host, *more_general, *(["*"] if host != "*" else [])]]
    paths = sorted({path for table in chain for path in table})
    found: dict[str, Tries] = {}
    for path in paths:
        tries = _tries(path, chain)
        above = next((found[each] for each in _above(path)[1:] if each in found), None)
        # Sorted, a shorter path came first: what says the same as it would be looked up for nothing.
        if tries != above or path in chain[0]:
            found[path] = tries
    return found


def _tries(path: str, chain: Iterable[Table]) -> Tries:
    """What is tried for a request at ``path``, up to the first route without a condition."""
    tries: list[tuple[str, str]] = []
    for table in chain:
        for each in _above(path):
            for condition, name in table.get(each, ()):
                tries.append((condition, name))
                if not condition:
                    return tuple(tries)
    return tuple(tries)


def _above(path: str) -> list[str]:
    """The path itself and all above it, longest first."""
    parts = path[1:].split("/") if path != "/" else []
    return ["/" + "/".join(parts[:length]) for length in range(len(parts), 0, -1)] + ["/"]


def _covers(wildcard: str, host: str) -> bool:
    return host.endswith(wildcard[1:])
