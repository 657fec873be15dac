# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a stack file on the controller: the one place in the collection that needs the package ``longshore``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ansible.inventory.manager import IGNORED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from longshore.definition import Stack

_PLUGIN = re.compile(rb"^plugin:\s*['\"]?longshore\.stack\.stack['\"]?\s*(#.*)?$", re.MULTILINE)


def is_stack_file(path: str) -> bool:
    """Whether the file at ``path`` says that it is a stack file; False for what cannot be read."""
    try:
        with open(path, "rb") as file:
            return _PLUGIN.search(file.read(65536)) is not None
    except OSError:
        return False


def among(sources: Iterable[str]) -> list[str]:
    """The stack files among inventory sources, each once. A directory holds what Ansible would read in it."""
    files = [file for source in sources for file in _files(source)]
    return list({os.path.realpath(file): file for file in files if is_stack_file(file)}.values())


def _files(source: str) -> Iterator[str]:
    if not os.path.isdir(source):
        yield source
        return
    for name in sorted(os.listdir(source)):
        if not IGNORED.search(os.fsencode(name)):
            yield from _files(os.path.join(source, name))


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
