# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory that is built: which of its files count, a hash of them, an archive of them.

``.dockerignore`` has Docker's meaning: patterns of the last match decide, ``!`` takes back, ``**`` crosses directories.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
import tarfile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ignore:
    """The patterns of a ``.dockerignore`` file; ``text`` is what it holds."""

    def __init__(self, text: str) -> None:
        self._rules = []
        for line in text.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            pattern = line.strip()
            negated = pattern.startswith("!")
            cleaned = os.path.normpath(pattern[negated:].strip()).lstrip("/")
            if cleaned not in ("", "."):
                self._rules.append((negated, re.compile(_expression(cleaned))))
        self.takes_back = any(negated for negated, _pattern in self._rules)

    def excludes(self, path: str) -> bool:
        """Whether a path, relative and with slashes, is left out; so is what lies below an excluded directory."""
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        excluded = False
        for negated, pattern in self._rules:
            if negated == excluded and any(pattern.fullmatch(each) for each in above):
                excluded = not negated
        return excluded


def _expression(pattern: str) -> str:
    out, rest = "", pattern
    while rest:
        if rest.startswith("**/"):
            out, rest = out + "(?:.*/)?", rest[3:]
        elif rest.startswith("**"):
            out, rest = out + ".*", rest[2:]
        elif rest[0] == "*":
            out, rest = out + "[^/]*", rest[1:]
        elif rest[0] == "?":
            out, rest = out + "[^/]", rest[1:]
        elif rest[0] == "[" and "]" in rest[1:]:
            end = rest.index("]", 2) if len(rest) > 2 and "]" in rest[2:] else rest.index("]")
            out, rest = out + "[" + rest[1:end].replace("\\", "\\\\") + "]", rest[end + 1 :]
        elif rest[0] == "\\" and len(rest) > 1:
            out, rest = out + re.escape(rest[1]), rest[2:]
        else:
            out, rest = out + re.escape(rest[0]), rest[1:]
    return out


class Directory:
    """A directory on this machine that an image is built from.

    ``context`` is relative to ``path``, ``dockerfile`` to the context, as in the stack file. Raises ``ValueError`` when
    something of it is not there.
    """

    def __init__(self, path: str, context: str = ".", dockerfile: str = "Dockerfile") -> None:
        self._root = os.path.realpath(os.path.join(path, context))
        if not os.path.isdir(self._root):
            raise ValueError(f"there is no directory {self._root}")
        self._dockerfile = os.path.normpath(os.path.join(self._root, dockerfile))
        if not os.path.isfile(self._dockerfile):
            raise ValueError(f"there is no file {self._dockerfile}")
        # BuildKit prefers the list that belongs to the Dockerfile.
        own, common = f"{self._dockerfile}.dockerignore", os.path.join(self._root, ".dockerignore")
        self._list = next((each for each in (own, common) if os.path.isfile(each)), "")
        text = ""
        if self._list:
            with open(self._list, encoding="utf-8-sig") as file:
                text = file.read()
        self._ignore = Ignore(text)

    def entries(self) -> Iterator[tuple[str, str]]:
        """What is sent, in a fixed order: names in the archive and paths here."""
        yield "Dockerfile", self._dockerfile
        if self._list:
            yield "Dockerfile.dockerignore", self._list
        yield "context", self._root
        yield from self._walk("")

    def _walk(self, folder: str) -> Iterator[tuple[str, str]]:
        for name in sorted(os.listdir(os.path.join(self._root, folder))):
            relative = f"{folder}/{name}" if folder else name
            path = os.path.join(self._root, relative)
            excluded = self._ignore.excludes(relative)
            if os.path.isdir(path) and not os.path.islink(path):
                if not excluded:
                    yield f"context/{relative}", path
                if not excluded or self._ignore.takes_back:
                    yield from self._walk(relative)
            elif not excluded and (os.path.isfile(path) or os.path.islink(path)):
                yield f"context/{relative}", path

    def digest(self) -> str:
        """A hash of names, modes, links and contents, 64 hexadecimal digits. Times and owners play no part."""
        whole = hashlib.sha256()
        for name, path in self.entries():
            found = os.lstat(path) if name.startswith("context/") else os.stat(path)
            content = ""
            if stat.S_ISLNK(found.st_mode):
                content = f"-> {os.readlink(path)}"
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{name}\0{_mode(found.st_mode):o}\0{content}\0".encode(errors="surrogateescape"))
        return whole.hexdigest()

    def pack(self, target: IO[bytes]) -> None:
        """Write the archive (tar, gzip)."""
        with (
            gzip.GzipFile(fileobj=target, mode="wb", compresslevel=3, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, path in self.entries():
                real = path if name.startswith("context") else os.path.realpath(path)
                member = archive.gettarinfo(real, arcname=name)
                member.uid = member.gid = member.mtime = 0
                member.uname = member.gname = ""
                member.mode = _mode(member.mode)
                if member.isfile() or member.islnk():
                    member.type = tarfile.REGTYPE
                    with open(real, "rb") as file:
                        member.size = os.fstat(file.fileno()).st_size
                        archive.addfile(member, file)
                else:
                    archive.addfile(member)


def _mode(mode: int) -> int:
    # What differs between two checkouts of the same files (umask) must not make another image.
    return 0o755 if mode & 0o100 or stat.S_ISDIR(mode) else 0o644
