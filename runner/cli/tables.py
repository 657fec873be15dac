# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables on a terminal, as text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their content, the last one open; empty when there are no rows."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    )


def moment(seconds: float | None) -> str:
    """A moment in seconds since 1970; empty for none."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def services(known: Mapping[str, Mapping[str, Any]]) -> str:
    """What runs where, from the state that the modules give."""
    rows = []
    for name, service in sorted(known.items()):
        where = "  ".join(f"{server} x{count}" if count > 1 else server for server, count in _where(service))
        rows.append((name, f"{service.get('running', 0)}/{service.get('wanted', 0)}", _image(service), where or "-"))
    notes = [f"{name}: {note}" for name, service in sorted(known.items()) for note in _notes(service)]
    return "\n".join(part for part in (table(("SERVICE", "RUNNING", "IMAGE", "WHERE"), rows), *notes) if part)


def tasks(known: Sequence[Mapping[str, Any]], *, ended: bool = False) -> str:
    """One line per task; with ``ended`` those too that are over."""
    rows = [
        (
            f"{task['service']}.{task['slot']}" if task.get("slot") else str(task["service"]),
            str(task.get("server") or "-"),
            str(task["state"]),
            short_time(str(task.get("since") or "")),
            str(task.get("error") or ""),
        )
        for task in known
        if ended or task.get("wanted") == "running"
    ]
    return table(("TASK", "SERVER", "STATE", "SINCE (UTC)", "ERROR"), rows)


def databases(known: Mapping[str, Mapping[str, Mapping[str, Any]]], servers: Mapping[str, Sequence[str]]) -> str:
    """One line per server of each database, those of which nothing is known too; ``servers`` are the file's."""
    rows = []
    for name, listed in servers.items():
        for server in listed:
            found = known.get(name, {}).get(server)
            rows.append((name, server, *(_database(found) if found else ("-", "not reached", *[""] * 6))))
    head = ("DATABASE", "SERVER", "ROLE", "STATE", "LAG", "TIMELINE", "SIZE", "FREE", "CONNECTIONS", "VERSION")
    return table(head, rows)


def _database(found: Mapping[str, Any]) -> tuple[str, ...]:
    role = f"{found['role']}, synchronous" if found.get("synchronous") else str(found["role"] or "-")
    state = f"{found['state']}, restart pending" if found.get("pending_restart") else str(found["state"])
    lag, primary = found.get("lag"), found["role"] == "primary"
    taken = f"{found['connections']}/{found['connections_limit']}" if "connections" in found else ""
    return (
        role,
        state,
        "" if primary or lag is None else size(lag) if isinstance(lag, int) else str(lag),
        str(found.get("timeline") or ""),
        size(found["size"]) if "size" in found else "",
        size(found["free"]) if "free" in found else "",
        taken,
        str(found.get("version") or ""),
    )


def backups(known: Mapping[str, Mapping[str, Any]], prefix: str) -> str:
    """One line per backup of each database, whose instance is called as it with ``prefix``."""
    words = {True: "yes", False: "FAILED", None: "no"}
    rows = [
        (
            name.removeprefix(prefix),
            str(backup["label"]),
            str(backup["type"]),
            datetime.fromtimestamp(backup["time"], UTC).strftime("%Y-%m-%d %H:%M:%S"),
            size(backup["size"]),
            size(backup["stored"]),
            words[backup["proved"]],
            f"{backup['restored']:.1f} s" if backup["restored"] is not None else "",
            str(backup["rows"] or ""),
        )
        for name, found in sorted(known.items())
        for backup in found["backups"]
    ]
    return table(("DATABASE", "BACKUP", "TYPE", "TIME (UTC)", "SIZE", "STORED", "PROVED", "RESTORED IN", "ROWS"), rows)


def copies(known: Mapping[str, Mapping[str, Any]], prefix: str) -> str:
    """One line per copy of each database's backups; empty when there is none."""
    rows = [
        (
            name.removeprefix(prefix),
            copy,
            datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") if at is not None else "never",
        )
        for name, found in sorted(known.items())
        for copy, at in found.get("copies", {}).items()
    ]
    return table(("DATABASE", "COPY", "HAD ALL AT (UTC)"), rows) if rows else ""


def backup(found: Mapping[str, Any]) -> str:
    """All that is known of one backup, a line each."""

    def moment(seconds: float) -> str:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"

    proof = found["proof"]
    head = ("BACKUP", f"{found['label']}, {'a whole one' if found['type'] == 'full' else found['type']}")
    lines = [
        ("made", f"{moment(found['start'])} to {moment(found['time'])}, {found['seconds']:.1f} s"),
        ("size", f"{size(found['size'])}, stored as {size(found['stored'])}"),
        ("needs", ", ".join(found["needs"]) or "no other backup"),
        ("needed by", ", ".join(found["needed_by"]) or "no other backup"),
        ("gives", "every moment from its end on" if found["every_moment"] else "the moment at which it was made"),
    ]
    if proof is None:
        return table(head, [*lines, ("proof", "none")])
    result = "good" if proof["ok"] else f"FAILED: {proof['why']}"
    lines.append(("proof", f"{moment(proof['began'])}: {result}"))
    if proof["ok"]:
        rows = proof["rows"] or {}
        if proof["rpo"] is not None:
            lost = f"at most {proof['rpo']:.1f} s of writes"
        else:
            lost = "nothing: nothing was written after it" if found["every_moment"] else "what was written after it"
        lines += [
            ("", f"{proof['seconds']:.1f} s in all; {sum(rows.values())} rows in {len(rows)} tables"),
            ("", f"measured: served again after {proof['rto']:.1f} s (RTO); lost {lost} (RPO)"),
        ]
    return table(head, lines)


# Ending of a download → what brings it into a database.
_USED = {
    "dump": "pg_restore --no-owner --dbname=DATABASE {}",
    "sql.gz": "gunzip --stdout {} | mariadb DATABASE",
    "rdb": "it is the dump.rdb that a Valkey or Redis reads when it starts",
}


def downloaded(found: Mapping[str, Any]) -> str:
    """A backup that is a file here now."""
    rows = found.get("rows") or {}
    until = f", as of {found['until']}" if found.get("until") else ""
    used = _USED.get(found["ending"], "").format(found["file"])
    return (
        f"{found['file']}: {size(found['bytes'])}{until}, {sum(rows.values())} rows in {len(rows)} tables; "
        f"{found['seconds']:.1f} s\nNot encrypted. Its checksum: {found['checksum']}\n  {used}"
    )


def replaced(found: Mapping[str, Any], database: str, what: str) -> str:
    """A database that a backup or a dump, ``what``, has taken the place of."""
    rows = found.get("rows") or {}
    until = f", as of {found['until']}" if found.get("until") else ""
    closed = f" It took no sessions for {found['closed']:.1f} s." if found.get("closed") is not None else ""
    told = f"{database} is what {what} holds{until}: {sum(rows.values())} rows in {len(rows)} tables.{closed}"
    if not found.get("kept"):
        return told
    return f"{told}\nWhat it was is kept beside it. Once nobody wants it:\n  DROP DATABASE {found['kept']};"


def restored(found: Mapping[str, Any], server: str) -> str:
    """A restored instance, and how to ask it."""
    rows = found.get("rows") or {}
    until = f", as of {found['until']}" if found.get("until") else ""
    return (
        f"Restored in {found['seconds']:.1f} s{until}: {sum(rows.values())} rows in {len(rows)} tables.\n"
        f"It runs on {server} until `longshore backup drop {found['name']}`:\n  {found['ask']}"
    )


def size(number: float) -> str:
    """Bytes for people: ``0 B``, ``7.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def nodes(known: Sequence[Mapping[str, Any]]) -> str:
    """One line per server of the cluster."""
    rows = [
        (
            str(node["server"]),
            str(node["state"]),
            str(node["availability"]),
            "leader" if node.get("leader") else str(node["role"]),
            str(node.get("address") or ""),
            " ".join(node.get("tags") or []),
        )
        for node in known
    ]
    return table(("SERVER", "STATE", "AVAILABILITY", "ROLE", "ADDRESS", "TAGS"), rows)


def releases(known: Sequence[Mapping[str, Any]]) -> str:
    """One line per kept release, the newest first."""
    rows = [
        (
            f"{release['number']}{' *' if release.get('current') else ''}",
            short_time(str(release.get("time") or "")),
            str(release.get("owner") or ""),
            f"rollback to {release['of']}" if release.get("of") else str(release.get("kind") or ""),
            ", ".join(
                f"{name} {_commit(service)}" for name, service in sorted((release.get("services") or {}).items())
            ),
            str(release.get("reason") or ""),
        )
        for release in known
    ]
    return table(("RELEASE", "TIME (UTC)", "BY", "KIND", "SERVICES", "REASON"), rows)


def short_image(image: str) -> str:
    """An image without what nobody reads: the registry of our own, and most of the digest."""
    name, _, digest = image.partition("@")
    name = name.removeprefix("registry.longshore.internal:5000/")
    return f"{name}@{digest.removeprefix('sha256:')[:12]}" if digest else name


def short_time(stamp: str) -> str:
    """``2026-01-31 14:25:01`` from an ISO time."""
    return stamp[:19].replace("T", " ")


def _where(service: Mapping[str, Any]) -> list[tuple[str, int]]:
    return sorted((service.get("per_server") or {}).items())


def _image(service: Mapping[str, Any]) -> str:
    return short_image(str(service.get("image") or ""))


def _commit(service: Mapping[str, Any]) -> str:
    return str(service.get("commit") or "")[:10] or short_image(str(service.get("image") or ""))


def _notes(service: Mapping[str, Any]) -> list[str]:
    notes = []
    if service.get("stopped"):
        notes.append("stopped by command")
    elif service.get("scaled") is not None:
        notes.append(f"scaled to {service['scaled']} by command")
    if service.get("error"):
        notes.append(str(service["error"]))
    return notes
