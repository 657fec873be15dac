# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of PostgreSQL → the files that have apt take their packages from another place than the distribution."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Of such a source these are as welcome as the distribution's; what else it has is taken where nobody else has it
# (apt_preferences(5)). The server needs its own client, and a newer one a newer libpq.
WELCOME = (
    "postgresql-{0}",
    "postgresql-{0}-*",
    "postgresql-client-{0}",
    "postgresql-pl*-{0}",
    "postgresql-common",
    "postgresql-common-dev",
    "postgresql-client-common",
    "libpq5",
)


def postgresql_sources(instances: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """``path`` and ``content`` of each file; sources that are alike are one."""
    found: dict[str, tuple[Mapping[str, Any], dict[str, None]]] = {}
    for instance in instances:
        source = instance.get("source") or {}
        if source:
            text = json.dumps({key: source.get(key) for key in sorted(source)}, sort_keys=True, default=str)
            known = found.setdefault(hashlib.sha256(text.encode()).hexdigest()[:8], (source, {}))
            known[1][str(instance["version"])] = None
    return [file for name, (source, versions) in found.items() for file in _files(name, source, sorted(versions))]


def _files(name: str, source: Mapping[str, Any], versions: list[str]) -> list[dict[str, str]]:
    called = f"longshore-postgresql-{name}"
    key = f"/etc/apt/keyrings/{called}.asc"
    written = "# Written by the role longshore.stack.postgresql: changes are lost.\n"
    places = [source, *source.get("more", [])]
    entries = [
        {
            "Types": "deb",
            "URIs": " ".join(place["uris"]),
            "Suites": " ".join(place["suites"]),
            "Components": " ".join(source["components"]),
            "Signed-By": key if source.get("key") else source["keyring"],
        }
        for place in places
    ]
    texts = ["".join(f"{word}: {value}\n" for word, value in entry.items()) for entry in entries]
    welcome = dict.fromkeys(each.format(version) for version in versions for each in WELCOME)
    pins = [
        f"Package: {packages}\nPin: release n={suite}\nPin-Priority: {priority}\n"
        for place in places
        for suite in place["suites"]
        for packages, priority in ((" ".join(welcome), 500), ("*", 100))
    ]
    return [
        *([{"path": key, "content": source["key"]}] if source.get("key") else []),
        {
            "path": f"/etc/apt/sources.list.d/{called}.sources",
            "content": written + "\n".join(texts),
        },
        {"path": f"/etc/apt/preferences.d/{called}", "content": written + "\n".join(pins)},
    ]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"postgresql_sources": postgresql_sources}
