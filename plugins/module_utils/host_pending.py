# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run still owes a host: triggers that fired, restarts that somebody else does.

Private to the collection. It is on disk before the change that causes it, so a run that is killed between a new file
and the restart that it needs is finished by the next one.
"""

from __future__ import annotations

import json
import os

from .host_files import read, replace

DIRECTORY = "/var/lib/longshore/host"


class Pending:
    """Attributes: ``triggers`` (words owed to commands and units), ``restarts`` (unit → the invocation to be ended)."""

    def __init__(self, name: str, directory: str = DIRECTORY) -> None:
        self._path = os.path.join(directory, f"{name}.json")
        self.triggers: set[str] = set()
        self.restarts: dict[str, str] = {}
        content = read(self._path)
        if content is not None:
            owed = json.loads(content)
            self.triggers = set(owed["triggers"])
            self.restarts = dict(owed["restarts"])
        self._saved = self._text() if content is not None else ""

    def save(self) -> None:
        """Write what is owed, or take the file away when nothing is. Costs nothing when nothing changed."""
        text = self._text() if self.triggers or self.restarts else ""
        if text == self._saved:
            return
        if text:
            replace(self._path, text.encode(), 0o600, (os.getuid(), os.getgid()))
        else:
            os.unlink(self._path)
        self._saved = text

    def _text(self) -> str:
        return json.dumps({"triggers": sorted(self.triggers), "restarts": self.restarts}, sort_keys=True)
