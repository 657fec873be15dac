# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of a database's settings: immutable, in Swarm's own store.

Private to the collection. A version is a JSON object, compressed, in the config ``<stack>.database.<name>.config.<n>``.
It holds what settings can change on each server, worked out or given, and nothing that may be secret::

    {"stack": "shop", "database": "main", "engine": "postgresql", "number": 7, "time": "2026-05-01T12:00:00Z",
     "run": "…", "owner": "ann", "reason": "", "kind": "up" | "revert", "of": 5 | None,
     "release": 12 | None,                       # the newest at that time
     "given": {"work_mem": "32MB"},              # by the stack file, or by the version that was brought back
     "servers": {"db1": {"work_mem": "32MB", "shared_buffers": "1024MB", …}}}
"""

from __future__ import annotations

import base64
import re

from .releases import decode, encode
from .settings_text import differences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

KEEP = 50
LABEL = "database.config"


def name_of(stack: str, database: str, number: int) -> str:
    """The config that holds a version: 64 characters at most, which is Swarm's limit."""
    return f"{stack}.database.{database}.config.{number}"


def read(stack: str, configs: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, dict[str, Any]]]:
    """All versions among ``configs`` (the engine's list): database → number → version."""
    pattern = re.compile(re.escape(stack) + r"\.database\.([a-z0-9-]+)\.config\.(\d+)")
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for config in configs:
        match = pattern.fullmatch(config["Spec"]["Name"])
        if match is not None:
            content = decode([base64.b64decode(config["Spec"]["Data"])])
            found.setdefault(match[1], {})[int(match[2])] = content
    return found


def content(version: Mapping[str, Any]) -> bytes:
    """What the config holds."""
    return b"".join(encode(version))


def following(known: Mapping[int, Mapping[str, Any]], found: Mapping[str, Any]) -> dict[str, Any] | None:
    """The version after those that are ``known``; None where nothing differs from the newest one.

    ``found`` has ``engine``, ``given``, the names of all ``members`` and, of those that were reached, ``servers``: each
    with its settings. One that was not reached has what it had.
    """
    last = max(known, default=0)
    before: Mapping[str, Any] = known[last]["servers"] if known else {}
    servers = {
        name: found["servers"].get(name) or before[name]
        for name in found["members"]
        if found["servers"].get(name) or name in before
    }
    if not servers or servers == before:
        return None
    return {"number": last + 1, "engine": found["engine"], "given": found["given"], "servers": servers}


def one(known: Mapping[int, Mapping[str, Any]], database: str, number: int) -> Mapping[str, Any]:
    """The version of that number. Raises ``ValueError`` when there is none."""
    if number not in known:
        there = ", ".join(str(each) for each in sorted(known)) or "none yet"
        raise ValueError(f"there is no version {number} of the settings of {database} (there are: {there})")
    return known[number]


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What differs between two versions, once for all servers of which the same is so: ``path``, ``before``, ``after``
    and ``servers``."""
    found: dict[tuple[str, str | None, str | None], list[str]] = {}
    for server in {**before["servers"], **after["servers"]}:
        for each in differences(before["servers"].get(server, {}), after["servers"].get(server, {})):
            key = (str(each["path"]), each["before"], each["after"])
            found.setdefault(key, []).append(server)
    return [
        {"path": path, "before": old, "after": new, "servers": servers}
        for (path, old, new), servers in sorted(found.items(), key=lambda pair: pair[0][0])
    ]


def outdated(numbers: Iterable[int]) -> list[int]:
    """The numbers of the versions that are kept no longer."""
    return sorted(numbers)[:-KEEP]
