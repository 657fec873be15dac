# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of files that a stack file names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Nothing that travels to a server as a variable is larger than a few megabytes.
MAX_SIZE = 16 << 20


def read(path: Path) -> str:
    """The text of the file at ``path``, its line ends as they are. Raises ValueError with what is wrong with it."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from error
    if len(content) > MAX_SIZE:
        raise ValueError(f"{path} is larger than {MAX_SIZE >> 20} MiB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text: byte 0x{content[error.start]:02x} is not UTF-8") from error
