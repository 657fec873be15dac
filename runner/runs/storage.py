# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where runs keep their files on this machine: one directory each, for the owner alone, the newest kept."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

# Enough to look back over a day's work; one run with hundreds of servers takes a few megabytes.
KEPT = 20
LOCK = "lock"


class StateError(RuntimeError):
    """The state directory can't be used; the message says why, and what to do."""


def state_directory() -> Path:
    """``$XDG_STATE_HOME/longshore/runs``, by default in ``~/.local/state``; made when it is missing."""
    base = os.environ.get("XDG_STATE_HOME")
    directory = (Path(base) if base else Path.home() / ".local" / "state") / "longshore" / "runs"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def create(run_id: str) -> Path:
    """A new directory for a run, after the oldest ones that nobody uses any more were removed.

    Raises FileExistsError when there was a run of that id, StateError when nothing can be written there.
    """
    try:
        parent = state_directory()
        _rotate(parent)
        directory = parent / run_id
        directory.mkdir(mode=0o700)
    except FileExistsError:
        raise
    except OSError as error:
        message = (
            f"the files of runs can't be kept in {error.filename}: {error.strerror} (XDG_STATE_HOME is another place)"
        )
        raise StateError(message) from error
    return directory


def hold(directory: Path) -> int:
    """A descriptor that marks ``directory`` as in use for as long as it is open, whoever inherits it."""
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else could read at any moment."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _rotate(parent: Path) -> None:
    known = sorted((entry for entry in parent.iterdir() if entry.is_dir()), key=_modified)
    for directory in known[: max(0, len(known) - KEPT + 1)]:
        if not _in_use(directory):
            shutil.rmtree(directory, ignore_errors=True)


def _modified(directory: Path) -> float:
    try:
        return directory.stat().st_mtime
    except FileNotFoundError:
        # Another run, that began just now, has removed it: as good as the oldest.
        return 0.0


def _in_use(directory: Path) -> bool:
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
