# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump that somebody made of a PostgreSQL, in a file of this machine: which kind it is, and what is in it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from longshore.runs.downloads import CHUNK, DownloadError

_GZIP = b"\x1f\x8b"
_CUSTOM = b"PGDMP"
# Of a tar archive, where the name of its format is.
_TAR = slice(257, 262)
_AGAIN = "make it with pg_dump --format=custom"


class DumpError(Exception):
    """Why a file can't be taken, and the cure."""


@dataclass(frozen=True)
class Dump:
    """Attributes: ``path``, ``kind`` (``custom`` or ``plain``), and whether the file is ``packed`` by gzip."""

    path: Path
    kind: str
    packed: bool

    @classmethod
    def of(cls, path: Path) -> Dump:
        """What a file is. Raises ``DumpError`` for one that is no dump that can be taken."""
        try:
            with path.open("rb") as file:
                packed = file.read(len(_GZIP)) == _GZIP
            with _opened(path, packed=packed) as content:
                head = content.read(CHUNK)
        except (OSError, EOFError, zlib.error) as error:
            raise DumpError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        if head.startswith(_CUSTOM):
            return cls(path, "custom", packed)
        if head[_TAR] == b"ustar":
            raise DumpError(f"{path} is a tar archive, which can't be taken; {_AGAIN}")
        if b"\0" in head or not head.strip():
            raise DumpError(f"{path} is no dump of a PostgreSQL; {_AGAIN}")
        return cls(path, "plain", packed)

    def send(self, sink: BinaryIO, seen: Callable[[int], None]) -> dict[str, Any]:
        """Write all of it; nothing is told of it. Raises ``DownloadError`` where it can't be read."""
        count = 0
        with _opened(self.path, packed=self.packed) as content:
            while chunk := self._read(content):
                sink.write(chunk)
                count += len(chunk)
                seen(count)
        return {}

    def _read(self, content: IO[bytes]) -> bytes:
        try:
            return content.read(CHUNK)
        except (OSError, EOFError, zlib.error) as error:
            raise DownloadError(f"{self.path} can't be read to its end: {error}") from error


def _opened(path: Path, *, packed: bool) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if packed else path.open("rb")
