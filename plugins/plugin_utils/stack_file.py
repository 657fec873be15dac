# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a stack file on the controller: the one place in the collection that needs the package ``longshore``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore.definition import Stack

_PLUGIN = re.compile(rb"^plugin:\s*['\"]?longshore\.stack\.stack['\"]?\s*(#.*)?$", re.MULTILINE)


def is_stack_file(path: str) -> bool:
    """Whether the file at ``path`` says that it is a stack file; False for what cannot be read."""
    try:
        with open(path, "rb") as file:
            return _PLUGIN.search(file.read(65536)) is not None
    except OSError:
        return False


def read(path: str) -> Stack:
    """The checked definition of the stack file at ``path``, with the overlay that LONGSHORE_ENVIRONMENT names.

    Raises ValueError with every problem found, a line each, or with what to install.
    """
    try:
        from longshore.definition import DefinitionError, load  # noqa: PLC0415 - its absence deserves a clear word
    except ImportError as error:
        raise ValueError(
            f"reading a stack file needs the Python package 'longshore' beside ansible-core ({error}): "
            "pip install longshore"
        ) from error
    try:
        return load(path, os.environ.get("LONGSHORE_ENVIRONMENT") or None)
    except DefinitionError as error:
        raise ValueError(str(error)) from error
