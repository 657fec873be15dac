# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``config`` shows of versions of settings. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from longshore.cli.plan_text import value
from longshore.cli.steps import hosts
from longshore.cli.tables import short_time, table

if TYPE_CHECKING:
    from longshore.runs import Result

# So many changes of a version are told in its line.
_MOST = 4


def history(result: Result) -> str:
    """One line per version, the newest first, with what it changed."""
    versions = result.data["database_versions"]["versions"]
    rows = [
        (
            f"{version['number']}{'' if index else ' *'}",
            short_time(str(version["time"])),
            str(version["owner"]),
            f"revert to {version['of']}" if version.get("of") else str(version["kind"]),
            str(version.get("release") or ""),
            _changes(versions[index + 1] if index + 1 < len(versions) else None, version),
            str(version.get("reason") or ""),
        )
        for index, version in enumerate(versions)
    ]
    if not rows:
        return "no version yet: `longshore up` keeps the first one"
    return table(("VERSION", "TIME (UTC)", "BY", "KIND", "RELEASE", "CHANGES", "REASON"), rows)


def differences(result: Result, database: str, number: int, other: int) -> str:
    """What one version has otherwise than another one."""
    found = result.data["database_versions"]["differences"]
    if not found:
        return f"Versions {number} and {other} of {database} have the same settings."
    width = max(len(each["path"]) for each in found)
    lines = [
        f"  {each['path'].ljust(width)}  {value(each['before'])} → {value(each['after'])}  [{hosts(each['servers'])}]"
        for each in found
    ]
    return "\n".join([f"{database}: version {number} → {other}", *lines])


def reverted(result: Result, database: str, given: Mapping[str, str] | None) -> str:
    """What the next ``up`` does to settings that were brought back.

    ``given`` are those of the stack file, None where a template gives them.
    """
    read = result.data.get("database_versions") or {}
    if result.exit_code not in (0, 4) or "recorded" not in read:
        return ""
    made = read["recorded"].get(database)
    told = f"{database} has these settings as version {made}." if made else f"{database} had these settings already."
    wanted = read.get("reverted", {}).get(database) or {}
    if wanted == given:
        return f"{told} The stack file gives the same, so the next `longshore up` keeps them."
    # JSON is YAML too, and quotes what needs it.
    instead = " instead of its template" if given is None else ""
    return (
        f"{told} The stack file isn't changed: the next `longshore up` brings what it says again, unless it "
        f"says{instead}\n  settings: {json.dumps(dict(wanted), ensure_ascii=False)}"
    )


def _changes(before: Mapping[str, Any] | None, version: Mapping[str, Any]) -> str:
    if before is None:
        return "the first one that is kept"
    # What differs on several servers is one change of the version.
    found: dict[tuple[str, Any, Any], None] = {}
    for server in {**before["servers"], **version["servers"]}:
        old, new = before["servers"].get(server), version["servers"].get(server)
        if old is None or new is None:
            found[f"{'+' if old is None else '-'} {server}", None, None] = None
            continue
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                found[name, old.get(name), new.get(name)] = None
    told = [
        name if old is new is None else f"{name} {value(old)} → {value(new)}" for name, old, new in list(found)[:_MOST]
    ]
    rest = [f"{len(found) - _MOST} more"] if len(found) > _MOST else []
    return ", ".join([*told, *rest])
