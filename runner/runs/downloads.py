# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup as a file on this machine: the server that keeps it restores it, and sends what is in it as it is read."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

CHUNK = 1 << 18
# How ssh ends when it is ssh itself that failed.
SSH_FAILED = 255
# Becomes the program that keeps the backups, as whoever it runs as: its settings say both.
_ENTER = """import json, os, sys
for path in sys.argv[2:4]:
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
        if sys.argv[1] in known["stanzas"]:
            os.chdir("/")
            words = [known["program"], path, "download", sys.argv[1], *sys.argv[4:]]
            os.execv("/usr/sbin/runuser", ["runuser", "-u", known["user"], "--", "/usr/bin/python3", *words])
sys.exit(f"nothing keeps backups of {sys.argv[1]} on this server yet: longshore up")
"""


class DownloadError(Exception):
    """Why there is no file, in a few lines."""


def command(stack: str, stanza: str, *, label: str = "", at: str = "", source: str = "") -> list[str]:
    """The words that, run as root on the server that keeps the backups, write one to standard output.

    ``source``: the copy of the backups that it is of.
    """
    name = f"copies/{source}.json" if source else "backups.json"
    settings = [f"/etc/longshore/{stack}/{tool}/{name}" for tool in ("pgbackrest", "restic")]
    which = [*(["--set", label] if label else []), *(["--at", at] if at else [])]
    return ["/usr/bin/python3", "-c", _ENTER, stanza, *settings, *which]


def place(target: str, stem: str) -> tuple[Path, bool]:
    """Where the file is to be, and whether an ending is still missing: in a directory it is called ``stem``.

    Raises ``DownloadError`` for what is there already, and for a directory that is not.
    """
    path = Path(target)
    inside = path.is_dir() or target.endswith(os.sep)
    if inside:
        path /= stem
    if not path.parent.is_dir():
        raise DownloadError(f"there is no directory {path.parent}")
    if there := sorted(path.parent.glob(f"{path.name}.*" if inside else path.name)):
        raise DownloadError(f"{there[0]} is there already; nothing was touched")
    return path, inside


def fetch(argv: Sequence[str], path: Path, *, bare: bool, seen: Callable[[int], None]) -> dict[str, Any]:
    """Have a command write the file, for its owner alone, and the checksum beside it; gives what was told of it.

    ``bare``: the file's ending is what the command tells. ``seen`` is called with the number of bytes so far.
    Raises ``DownloadError``; then, as with any other exception, nothing is left.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with _new(part) as sink:
            told = received(argv, sink, seen)
            sink.flush()
            os.fsync(sink.fileno())
        final = path.with_name(f"{path.name}.{told['ending']}") if bare else path
        checksum = final.with_name(f"{final.name}.sha256")
        if final.exists():
            raise DownloadError(f"{final} was made meanwhile, by somebody else")
        with _new(checksum) as file:
            file.write(f"{told['sha256']}  {final.name}\n".encode())
        part.rename(final)
    except OSError as error:
        raise DownloadError(f"{error.filename or part}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return {**told, "file": str(final), "checksum": str(checksum)}


def received(argv: Sequence[str], sink: BinaryIO, seen: Callable[[int], None]) -> dict[str, Any]:
    """Write to ``sink`` what a command sends; gives what was told of it. Raises ``DownloadError``, and ``OSError``."""
    summed, count = hashlib.sha256(), 0
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        try:
            while process.stdout is not None and (chunk := process.stdout.read1(CHUNK)):  # type: ignore[attr-defined]
                sink.write(chunk)
                summed.update(chunk)
                count += len(chunk)
                seen(count)
            code = process.wait()
        except BaseException:
            # Over there it is noticed that nobody takes it any more.
            process.terminate()
            process.wait()
            raise
        errors.seek(0)
        lines = [line for line in errors.read().decode("utf-8", "replace").splitlines() if line.strip()]
    if code == SSH_FAILED:
        raise DownloadError("\n".join(["the server that keeps the backups could not be reached", *lines[-3:]]))
    if code != 0:
        raise DownloadError("\n".join(lines[-6:]) or f"the server ended with {code}")
    told: dict[str, Any] = json.loads(lines[-1])
    if (told["bytes"], told["sha256"]) != (count, summed.hexdigest()):
        raise DownloadError(f"{count} bytes came of {told['bytes']}, or others than were sent; try again")
    return told


def _new(path: Path) -> Any:
    """A file that was not there before, for its owner alone."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
