# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of an instance's data, most of it while the instance runs, and checked. Private to the collection.

``running`` copies all and compares the content of all; ``last``, once nobody writes any more, copies what has changed
since, and compares the content of it. So the time without the instance depends on what has changed, not on the size.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time

from .host_change import HostError, last_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from .run import Run

# All that a file is, but for its name: owner by number, mode, times, hard links, ACLs, attributes (rsync(1)).
RSYNC = ("rsync", "-aHAX", "--numeric-ids")
# Times are compared to the nanosecond, where rsync's own habit is the second.
EXACT = "--modify-window=-1"
# What rsync says when files went while it looked: a database that runs removes some.
VANISHED = 24
# Seconds. A file that changed while it was copied may have the time at which that began; clocks of kernels are coarse.
SLOP = 10.0
# Seconds between two looks whether the run goes on.
AGAIN = 0.5


class Copy:
    """A copy of the directory ``source`` that becomes the directory ``target``."""

    def __init__(self, source: str, target: str, work: Run) -> None:
        self.source = source
        self.target = target
        self._work = work
        self._began = 0.0

    def running(self) -> None:
        """Copy and compare while somebody writes. May be done again after it was interrupted."""
        self._began = time.time() - SLOP
        self._rsync(EXACT, "--delete", vanishing=True)
        self._rsync("--checksum", "--delete", vanishing=True)

    def last(self) -> None:
        """Copy the rest, compare it, and have it on the disk. Raises ``HostError`` when the two still differ."""
        self._rsync(EXACT, "--delete")
        with tempfile.NamedTemporaryFile("wb", prefix="longshore-changed-") as listed:
            listed.write(b"".join(os.fsencode(path) + b"\0" for path in sorted(self._changed())))
            listed.flush()
            some = ("--checksum", "--from0", f"--files-from={listed.name}")
            self._rsync(*some)
            differing = self._rsync("--dry-run", "--itemize-changes", *some)
        differing += self._rsync("--dry-run", "--itemize-changes", "--delete", EXACT)
        if differing.strip():
            raise HostError(f"the copy in {self.target} differs from {self.source}: {last_lines(differing, 3)}")
        os.sync()

    def _changed(self) -> Iterator[str]:
        """The files that may have changed since ``running`` began, as paths below the source."""
        for directory, _directories, files in os.walk(self.source):
            for name in files:
                path = os.path.join(directory, name)
                if os.lstat(path).st_mtime >= self._began:
                    yield os.path.relpath(path, self.source)

    def _rsync(self, *words: str, vanishing: bool = False) -> str:
        """What one pass says. Raises ``HostError``, and ``Cancelled`` when the run is to stop."""
        self._work.check()
        argv = [*RSYNC, *words, f"{self.source}/", f"{self.target}/"]
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as wrong:
            try:
                # run_command belongs to a module, which these functions know nothing of.
                process = subprocess.Popen(argv, stdout=said, stderr=wrong)  # pylint: disable=ansible-bad-function
            except FileNotFoundError as error:
                raise HostError("rsync is not installed") from error
            with process:
                try:
                    while not _ended(process):
                        self._work.check()
                finally:
                    process.terminate()
            out, errors = (_text(file) for file in (said, wrong))
        if process.returncode != 0 and not (vanishing and process.returncode == VANISHED):
            raise HostError(f"{self.source} could not be copied to {self.target}: {last_lines(errors or out, 3)}")
        return out


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a program has ended, within a moment."""
    try:
        process.wait(AGAIN)
    except subprocess.TimeoutExpired:
        return False
    return True


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def size(directory: str) -> int:
    """Bytes that a directory takes of its file system. Files that go meanwhile count for nothing."""
    total = 0
    for place, directories, files in os.walk(directory):
        for name in (*directories, *files):
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total
