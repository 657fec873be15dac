# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release records: immutable, in Swarm's own store.

Private to the collection. A record is a JSON object, compressed, in the config ``<stack>.release.<n>``; a large one
is split over ``<stack>.release.<n>.<part>``. The head is written last, so a record that has a head is whole. Records
hold names of secrets and configs, never values::

    {"number": 7, "stack": "shop", "time": "2026-05-01T12:00:00Z", "run": "…", "owner": "ann", "reason": "",
     "kind": "deploy" | "rollback" | "credentials", "of": 5 | None,
     "networks": {name: {…}},                             # as desired, by name on the cluster
     "services": {name: {"spec": {…portable…}, "settings": {…}, "commit": "…" | None}},
     "edge": {"routes": […], "backends": {…}, "ports": […], "snippets": {…}} | None}  # as given to load balancers
"""

from __future__ import annotations

import base64
import json
import os
import re
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

KEEP = 20
# Swarm refuses configs above 1,000 KB; the rest is room for labels.
PART_LIMIT = 900_000
MIRROR = "/var/lib/longshore"


def encode(record: Mapping[str, Any]) -> list[bytes]:
    """The record's parts, in order."""
    content = zlib.compress(json.dumps(record, sort_keys=True, separators=(",", ":")).encode(), 9)
    return [content[start : start + PART_LIMIT] for start in range(0, len(content), PART_LIMIT)]


def decode(parts: Iterable[bytes]) -> dict[str, Any]:
    """The record of ``parts``. Raises ``ValueError`` when they are no record."""
    try:
        record = json.loads(zlib.decompress(b"".join(parts)))
    except zlib.error as error:
        raise ValueError(f"a damaged release record: {error}") from error
    if not isinstance(record, dict):
        raise ValueError("a damaged release record: not an object")
    return record


def read(stack: str, configs: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """All whole records among ``configs`` (the engine's list), by number."""
    pieces: dict[int, dict[int, Mapping[str, Any]]] = {}
    for config in configs:
        number, part = parse_name(stack, config["Spec"]["Name"])
        if number is not None:
            pieces.setdefault(number, {})[part] = config
    records = {}
    for number, parts in pieces.items():
        head = parts.get(0)
        if head is None:
            continue
        count = int(head["Spec"]["Labels"].get("longshore.parts", "1"))
        if all(part in parts for part in range(count)):
            records[number] = decode(base64.b64decode(parts[part]["Spec"]["Data"]) for part in range(count))
    return records


def parse_name(stack: str, name: str) -> tuple[int | None, int]:
    """``shop.release.12.1`` → (12, 1), ``shop.release.12`` → (12, 0), any other → (None, 0)."""
    match = re.fullmatch(re.escape(stack) + r"\.release\.(\d+)(?:\.(\d+))?", name)
    return (int(match.group(1)), int(match.group(2) or 0)) if match else (None, 0)


def write(writer: Writer, record: Mapping[str, Any], configs: Iterable[Mapping[str, Any]]) -> None:
    """Create the record's configs, head last. ``configs`` are those that there are: what a killed run has left of a
    record with this number, which has no head, goes first."""
    stack, number = record["stack"], record["number"]
    _remove(writer, stack, configs, lambda found: found == number)
    parts = encode(record)
    labels = {"longshore.kind": "release", "longshore.number": str(number), "longshore.parts": str(len(parts))}
    for part in reversed(range(len(parts))):
        name = f"{stack}.release.{number}" + (f".{part}" if part else "")
        writer.create_object("config", name, parts[part], labels)


def prune(writer: Writer, stack: str, configs: Iterable[Mapping[str, Any]], keep: Iterable[int]) -> None:
    """Remove the records (and parts of records) whose numbers are not in ``keep``."""
    kept = set(keep)
    _remove(writer, stack, configs, lambda found: found not in kept)


def mirror(stack: str, records: Mapping[int, Mapping[str, Any]], root: str = MIRROR) -> None:
    """Make this manager's copies of the records those of ``records``, by number."""
    directory = os.path.join(root, stack, "releases")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    wanted = {f"{number}.json": json.dumps(record, sort_keys=True, indent=1) for number, record in records.items()}
    for name in os.listdir(directory):
        if name not in wanted and name.partition(".")[0].isdigit():
            os.unlink(os.path.join(directory, name))
    for name, text in wanted.items():
        _replace(os.path.join(directory, name), text)


def kept_numbers(numbers: Iterable[int]) -> list[int]:
    """The numbers of the records that are kept, newest first."""
    return sorted(numbers, reverse=True)[:KEEP]


def _remove(writer: Writer, stack: str, configs: Iterable[Mapping[str, Any]], which: Callable[[int], bool]) -> None:
    found = [(*parse_name(stack, config["Spec"]["Name"]), config["ID"]) for config in configs]
    # Heads go first: what is left of a record that was half removed is no record.
    for number, _part, identifier in sorted(found, key=lambda one: one[1]):
        if number is not None and which(number):
            writer.remove(f"/configs/{identifier}")


def _replace(path: str, text: str) -> None:
    if os.path.exists(path):
        with open(path) as file:
            if file.read() == text:
                return
    with os.fdopen(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    os.replace(path + ".new", path)
