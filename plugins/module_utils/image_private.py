# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory in memory in which one module keeps its logins while it runs.

Private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "/run"
_PREFIX = "longshore-build-"
_OURS = re.compile(rf"{_PREFIX}(\d+)-.+")


@contextlib.contextmanager
def private_directory(root: str = ROOT) -> Iterator[str]:
    """A directory that only this user reads, gone afterwards; first, what killed modules have left goes."""
    sweep(root)
    # By the number in the name others see whether its module still runs.
    directory = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def sweep(root: str = ROOT) -> None:
    """Remove the directories whose module is gone: one that was killed could not."""
    for name in os.listdir(root):
        found = _OURS.fullmatch(name)
        if found and not os.path.exists(f"/proc/{found[1]}"):
            shutil.rmtree(os.path.join(root, name), ignore_errors=True)
