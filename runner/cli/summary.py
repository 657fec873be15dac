# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run came to, on one screen. Pure: text from results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore.cli import tables
from longshore.cli.steps import hosts, seconds
from longshore.runs.result import Failure, Result, Status

if TYPE_CHECKING:
    from longshore.definition import Stack as Definition

_HEADS = {
    Status.DONE: "Done",
    Status.DEGRADED: "Done, degraded",
    Status.FAILED: "Failed",
    Status.BAD_INPUT: "Refused",
    Status.LOCKED: "Locked by another run",
    Status.CANCELLED: "Cancelled",
}
# The modules that tell what runs after their work.
_TELLING = ("stack_services", "stack_scale", "stack_release")
# One screen: what does not fit is in the log.
_FAILURES = 5
_MESSAGE_LINES = 25
_ROUTES = 8


def summary(result: Result, definition: Definition) -> str:
    """The end of an ordinary run: what runs where and how it is reached, or what failed, where, why, what to do."""
    parts = [_head(result, definition)]
    if result.status in (Status.DONE, Status.DEGRADED):
        told = [result.data[module] for module in _TELLING if module in result.data]
        running = [data["services"] for data in told if data.get("services")]
        parts += [tables.services(running[-1]), routes(definition)] if running else []
        parts += [f"lock: {data['lock_note']}" for data in told if data.get("lock_note")]
        parts.append(kept(result))
    parts += result.notices
    if result.unreachable:
        cure = "the same command, run again," if "kept_data" in result.data else "the next `longshore up`"
        parts.append(f"Not reached: {hosts(result.unreachable)}. What they missed, {cure} catches up on.")
    if result.status in (Status.FAILED, Status.BAD_INPUT, Status.LOCKED):
        parts += [failures(result.failures), *_advice(result), *([f"log: {result.log}"] if result.log else [])]
    if result.status is Status.CANCELLED:
        parts.append(
            "Nothing of this run goes on; an update that was under way is left to Swarm, unwatched. "
            "The same command, run again, finishes what was begun."
        )
    return "\n\n".join(part for part in parts if part)


def routes(definition: Definition) -> str:
    """Under which addresses the services are reached."""
    told = [
        f"{_reached(route)} → {name}:{route['port']}"
        for name, service in definition.services.items()
        for route in service.normalized()["routes"]
    ]
    more = [f"… and {len(told) - _ROUTES} more"] if len(told) > _ROUTES else []
    return "\n".join(["Routes:", *(f"  {line}" for line in [*told[:_ROUTES], *more])]) if told else ""


def _reached(route: Mapping[str, Any]) -> str:
    """A route's address, or the port that passes TCP on."""
    if "published" in route:
        return f":{route['published']} (TCP)"
    return f"{route['host']}{route.get('path') or '/'}"


def kept(result: Result) -> str:
    """What data a removal left, and where."""
    places: dict[str, list[str]] = {}
    for server, paths in result.kept.items():
        for path in paths:
            places.setdefault(path, []).append(server)
    return "\n".join(
        ["Data stays:", *(f"  {path}  {hosts(servers)}" for path, servers in sorted(places.items()))] if places else []
    )


def failures(known: Sequence[Failure]) -> str:
    """What failed, where and why; the same failure on several servers once."""
    grouped: dict[tuple[str, str, str, str], list[str]] = {}
    for failure in known:
        grouped.setdefault((failure.role, failure.task, failure.message, failure.cure), []).append(failure.host)
    told = []
    for (role, task, message, cure), servers in list(grouped.items())[:_FAILURES]:
        what = ": ".join(part for part in (role, task) if part)
        told.append(f"x {hosts(servers)}" + (f"  {what}" if what else ""))
        lines = message.splitlines()
        left_out = len(lines) - _MESSAGE_LINES
        # The cause stands first, the cure last.
        shown = lines if left_out <= 0 else [*lines[: _MESSAGE_LINES - 8], f"… {left_out} lines …", *lines[-8:]]
        told += [f"    {line}" for line in shown]
        told += [f"    what to do: {cure}"] if cure else []
    if len(grouped) > _FAILURES:
        told.append(f"… and {len(grouped) - _FAILURES} other failures")
    return "\n".join(told)


def state(result: Result, definition: Definition) -> str:
    """What ``status`` shows."""
    info = result.data.get("stack_info") or {}
    if result.status not in (Status.DONE, Status.DEGRADED):
        return summary(result, definition)
    lock = info.get("lock")
    parts = [
        "  ".join(part for part in (subject(definition), _release_line(info.get("releases") or [])) if part),
        tables.services(info.get("services") or {}) or "no service runs",
        tables.nodes(info.get("nodes") or []),
        routes(definition),
        f"locked by {lock.get('owner') or 'somebody'} (run {lock.get('run')})" if lock else "",
        f"Not reached: {hosts(result.unreachable)}" if result.unreachable else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _release_line(releases: Sequence[Mapping[str, Any]]) -> str:
    for release in releases:
        if release.get("current"):
            when = tables.short_time(str(release.get("time") or ""))
            return f"Release {release['number']}, {when} UTC, by {release.get('owner') or 'somebody'}"
    return ""


def subject(definition: Definition) -> str:
    """What a run was about: ``shop (staging)``."""
    return f"{definition.name} ({definition.environment})"


def _head(result: Result, definition: Definition) -> str:
    changed = {change.host for change in result.changes}
    count = f"{len(result.changes)} change{'' if len(result.changes) == 1 else 's'}"
    changes = f", {count} on {hosts(sorted(changed))}" if changed else ", nothing changed"
    told = changes if result.status in (Status.DONE, Status.DEGRADED) else ""
    return f"{subject(definition)}: {_HEADS[result.status]} in {seconds(result.duration)}{told}"


def _advice(result: Result) -> list[str]:
    if result.status is Status.LOCKED:
        return [
            f"{result.locked_by} is at work on this stack. Wait for its end; a lock whose owner died runs out in 60 s."
        ]
    return []
