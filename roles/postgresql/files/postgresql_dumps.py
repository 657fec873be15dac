# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps of somebody else's database, taken by one that is new. Written by the role longshore.stack.postgresql.

What they make belongs to the new database's owner, and nothing of them reaches another one: all is one transaction,
in which none can be made or removed, and psql takes no command that leads elsewhere.
"""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
from pathlib import Path

from postgresql_admin import SPARE, Failed, Instance, identifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO

# Entries of a dump's list that only a superuser may make. The extensions are there before.
EXTENSION = re.compile(r"\d+; \d+ \d+ (COMMENT - EXTENSION|EXTENSION -) ")
COPY = re.compile(rb"COPY .* FROM stdin;?\s*$", re.IGNORECASE)
# pg_dump's own, around the whole dump. Within ours psql would take them for mistakes.
RESTRICTED = re.compile(rb"\\(un)?restrict \w+\s*$")
LEAVES = "it has commands of psql, such as \\connect, or statements that need no transaction: make it with pg_dump"


def custom(instance: Instance, new: str, owner: str, source: IO[bytes]) -> None:
    """Of pg_dump's own format, which is kept on the disk meanwhile: its list is read before the rest."""
    with tempfile.TemporaryDirectory(prefix=".import-", dir=Path(instance.data).parent) as name:
        place = Path(name)
        file, listed = place / "dump", place / "list"
        with file.open("wb") as sink:
            while chunk := source.read(1 << 20):
                sink.write(chunk)
                # They may be on different disks.
                left = min(instance.free(), shutil.disk_usage(place).free)
                if left < SPARE:
                    raise Failed(f"the disk of {instance.data} or {place} has {left >> 20} MB left, so it was stopped")
        for path in (place, file):
            shutil.chown(path, "postgres", "postgres")
        entries = instance.call("pg_restore", "--list", str(file)).splitlines()
        listed.write_text("".join(f"{line}\n" for line in entries if not EXTENSION.match(line)), "utf-8")
        shutil.chown(listed, "postgres", "postgres")
        words = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", f"--role={owner}"]
        instance.load("pg_restore", *words, f"--use-list={listed}", "-d", new, str(file))


def plain(instance: Instance, new: str, owner: str, source: IO[bytes]) -> None:
    """SQL, as pg_dump writes it without a format."""

    def feed(sink: IO[bytes]) -> None:
        for line in restricted(source, secrets.token_hex(16), owner):
            sink.write(line)

    words = ["-Xq", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-d", new, "-f", "-"]
    try:
        instance.load("psql", *words, feed=feed)
    except Failed as error:
        hint = "" if "backslash" not in str(error) and "transaction block" not in str(error) else f" ({LEAVES})"
        raise Failed(f"{error}{hint}") from error


def restricted(lines: Iterable[bytes], key: str, owner: str) -> Iterator[bytes]:
    """The lines of a dump, for a psql that obeys no command of its own until its end, and acts as ``owner``."""
    yield f"set role {identifier(owner)};\n\\restrict {key}\n".encode()
    data = False
    for line in lines:
        if data:
            data = line.rstrip() != b"\\."
        elif RESTRICTED.match(line):
            continue
        else:
            data = COPY.match(line) is not None
        yield line
    if data:
        # psql would take the end of the file for the end of the table.
        yield b"\n\\.\ndo $$ begin raise exception 'the dump ends in the middle of a table'; end $$;\n"


TAKEN: dict[str, Callable[[Instance, str, str, IO[bytes]], None]] = {"custom": custom, "plain": plain}
