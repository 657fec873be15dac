# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacks modules on a server, which keeps them. Its text is what runs there: ``python3 -c TEXT DIRECTORY NAME``.

The archive, a zip file, is its standard input. What no run has used for a week is removed.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
import time
import zipfile

UNUSED = 7 * 86400.0


def keep(directory: str, name: str, archive: bytes) -> None:
    """Have ``directory/name`` hold what is in the archive: all of it, or nothing is there."""
    os.makedirs(directory, mode=0o755, exist_ok=True)
    made = tempfile.mkdtemp(dir=directory, prefix=".")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            packed.extractall(made)
        # Another run may have been faster.
        with contextlib.suppress(OSError):
            os.rename(made, os.path.join(directory, name))
    finally:
        shutil.rmtree(made, ignore_errors=True)
    if not os.path.isdir(os.path.join(directory, name)):
        raise OSError(f"{directory} can't be written to")
    for other in os.scandir(directory):
        if other.name != name and other.stat().st_mtime < time.time() - UNUSED:
            shutil.rmtree(other.path, ignore_errors=True)


if __name__ == "__main__":
    keep(sys.argv[1], sys.argv[2], sys.stdin.buffer.read())
