# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``plan`` shows: every change, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from longshore.cli.steps import hosts
from longshore.runs.events import Change
from longshore.runs.result import Result, ServerChange

_MARKS = {"create": "+", "remove": "-", "delete": "-"}
_WIDEST = 100


def plan(result: Result, command: str = "longshore up", title: str = "") -> str:
    """The changes by role, the same change on several servers once.

    ``command`` is what makes them; with a ``title`` all of them are of that one.
    """
    grouped: dict[str, dict[str, tuple[Change, list[str]]]] = {}
    for entry in result.changes:
        known = grouped.setdefault(title or _title(entry), {})
        # By what it says: the values in it may be lists, which no dictionary takes as keys.
        known.setdefault(repr(entry.change), (entry.change, []))[1].append(entry.host)
    lines: list[str] = []
    for heading, changes in grouped.items():
        lines += ["", heading]
        for change, servers in changes.values():
            lines += [f"  {line}" for line in _change(change, sorted(set(servers)))]
    count = sum(len(changes) for changes in grouped.values())
    lines += ["", f"{count} change{'' if count == 1 else 's'}. `{command}` makes them." if count else "No changes."]
    return "\n".join(lines).lstrip("\n")


def _title(entry: ServerChange) -> str:
    return f"{entry.role}: {entry.task}" if entry.role else entry.task


def _change(change: Change, servers: list[str]) -> Iterable[str]:
    mark = _MARKS.get(change.action, "~")
    what = f"{change.kind} {change.name}" if change.kind else change.text
    note = f" ({change.action})" if change.action not in ("", "create", "update", "remove") else ""
    yield f"{mark} {what}{note}  [{hosts(servers)}]"
    width = max((len(field.path) for field in change.fields), default=0)
    for field in change.fields:
        if mark == "+":
            yield f"    {field.path.ljust(width)}  {value(field.after)}"
        else:
            yield f"    {field.path.ljust(width)}  {value(field.before)} → {value(field.after)}"


def value(found: Any) -> str:
    """One side of a difference, on one line."""
    if found is None:
        return "(absent)"
    text = str(found).replace("\n", "⏎")
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
