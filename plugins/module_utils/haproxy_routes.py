# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes as the three map files in which HAProxy looks a request up.

Private to the collection. Pure. The rule: an exact host before a wildcard, a longer wildcard before a shorter one, a
route for any host last; among the routes of one host the longest path, which ends at a '/' or where the request's does.
A host whose own routes don't match the path falls through to the next more general one.

HAProxy finds a request's backend in three steps, each one look-up:

1. ``hosts``: the exact host → itself (a tree);
2. ``wildcards``, when that failed: a suffix → ``*.suffix`` (a list, longest first); else ``*``;
3. ``routes``: the longest key that ``<what 1 or 2 gave><path>/`` begins with → the backend (a prefix tree).

So that step 3 needs no second try, each host's table also holds what it inherits from the more general ones.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Table = dict[str, str]  # path → backend


def maps_of(routes: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """The text of the maps ``hosts``, ``wildcards`` and ``routes`` for (host, path, backend) triples.

    ``host`` is a name, ``*.`` and a name, or empty for any; ``path`` is ``/`` or ``/a/b`` without a slash at its end.
    """
    tables: dict[str, Table] = {}
    for host, path, backend in routes:
        tables.setdefault(host or "*", {})[path] = backend
    wildcards = sorted((host for host in tables if host.startswith("*.")), key=lambda host: (-len(host), host))
    hosts = sorted(host for host in tables if not host.startswith("*"))
    lines = []
    for host in [*hosts, *wildcards, "*"]:
        for path, backend in sorted(_effective(host, tables, wildcards).items()):
            lines.append(f"{host}{path.rstrip('/')}/ {backend}")
    return {
        "hosts": "".join(f"{host} {host}\n" for host in hosts),
        "wildcards": "".join(f"{host[1:]} {host}\n" for host in wildcards),
        "routes": "".join(f"{line}\n" for line in lines),
    }


def _effective(host: str, tables: Mapping[str, Table], wildcards: Iterable[str]) -> Table:
    own = dict(tables.get(host, {}))
    more_general = [other for other in wildcards if other != host and _covers(other, host)]
    if host != "*":
        more_general.append("*")
    for other in more_general:
        nearer = list(own)
        theirs = tables.get(other, {})
        own.update({path: theirs[path] for path in theirs if not any(_is_below(path, taken) for taken in nearer)})
    return own


def _covers(wildcard: str, host: str) -> bool:
    return host.endswith(wildcard[1:])


def _is_below(path: str, prefix: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{prefix.rstrip('/')}/")
