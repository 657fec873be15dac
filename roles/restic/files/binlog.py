# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files of MariaDB's binary log begin and end.

Format: https://mariadb.com/docs/server/reference/clientserver-protocol/replication-protocol
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"\xfebin"
# Of an event: when (seconds since 1970), its type, the server, its length, where the next one begins, flags.
HEADER = struct.Struct("<IBIIIH")
# The event that says, at the beginning of each file, all that came before: for each domain the server and the number.
GTID_LIST = 163
ENTRY = struct.Struct("<IIQ")
# The event that begins a transaction: its number, its domain.
GTID = 162
TRANSACTION = struct.Struct("<QI")


def start(file: Path) -> str | None:
    """The position after which a file begins, as SQL writes it: empty at the very beginning. None: it says nothing yet.

    A server whose data were copied has an empty list in its first file, although what is in it comes after the copy.
    """
    for offset, _when, kind, server, length in _events(file):
        if kind == GTID_LIST:
            body = _body(file, offset, length)
            count = struct.unpack_from("<I", body)[0] & 0x0FFFFFFF
            found = (ENTRY.unpack_from(body, 4 + index * ENTRY.size) for index in range(count))
            if count:
                return ",".join(f"{domain}-{own}-{counted}" for domain, own, counted in found)
        elif kind == GTID:
            counted, domain = TRANSACTION.unpack_from(_body(file, offset, length))
            return f"{domain}-{server}-{counted - 1}" if counted > 1 else ""
    return None


def end(file: Path, before: float = float("inf")) -> tuple[str | None, float]:
    """The position with which a file ends so far, or with what was written before a moment; and when that was written.

    Moments are in seconds since 1970. Of a file without any of it: the position after which it begins, and 0.
    """
    found = None
    for offset, when, kind, server, length in _events(file):
        if kind == GTID:
            if when >= before:
                break
            found = (offset, when, server, length)
    if found is None:
        return start(file), 0.0
    offset, when, server, length = found
    counted, domain = TRANSACTION.unpack_from(_body(file, offset, length))
    return f"{domain}-{server}-{counted}", float(when)


def number(position: str | None) -> int:
    """How many transactions a position counts: all are of one domain."""
    return max((int(part.rpartition("-")[2]) for part in (position or "").split(",") if part), default=0)


def whole(file: Path, scratch: Path) -> Path:
    """The file, or a copy of it without the event that is not complete."""
    end = max((offset + length for offset, _when, _kind, _server, length in _events(file)), default=len(MAGIC))
    if end == file.stat().st_size:
        return file
    copy = scratch / file.name
    with file.open("rb") as opened, copy.open("wb") as made:
        left = end
        while left and (chunk := opened.read(min(left, 1 << 20))):
            made.write(chunk)
            left -= len(chunk)
    return copy


def _body(file: Path, offset: int, length: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(offset + HEADER.size)
        return opened.read(length - HEADER.size)


def _events(file: Path) -> Iterator[tuple[int, int, int, int, int]]:
    """Where each complete event begins, when it was written, its type, its server and its length."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        if opened.read(len(MAGIC)) != MAGIC:
            return
        offset = len(MAGIC)
        while offset + HEADER.size <= size:
            opened.seek(offset)
            when, kind, server, length, _next, _flags = HEADER.unpack(opened.read(HEADER.size))
            if length < HEADER.size or offset + length > size:
                return
            yield offset, when, kind, server, length
            offset += length
