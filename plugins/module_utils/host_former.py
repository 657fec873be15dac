# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that were wanted once and are no longer: which of them are still there, and what they leave.

Private to the collection.
"""

from __future__ import annotations

import glob
import os

from .host_files import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def former(wanted: Sequence[Mapping[str, Any]], directory: str) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """The units that go, the paths of their files, and the paths of what they have made, which stays.

    Of each set, ``pattern`` (of the names of services), ``containing`` (what their files have in them), ``keep``
    (names), ``data`` (paths) and ``files`` (paths of what is only for such a unit, ``{}`` for what ``*`` stood for). A
    timer of the same name goes with its service.
    """
    units, files, data = [], [], []
    for each in wanted:
        found = []
        begin, _star, end = each["pattern"].partition("*")
        for path in sorted(glob.glob(os.path.join(directory, each["pattern"]))):
            name = os.path.basename(path)
            text = (read(path) or b"").decode("utf-8", "replace")
            if name not in each["keep"] and each["containing"] in text:
                timer = f"{name.rpartition('.')[0]}.timer"
                found += [timer, name] if os.path.exists(os.path.join(directory, timer)) else [name]
                # Before the unit's own file: while that is there, a run that is killed is finished by the next one.
                files += [file.replace("{}", name[len(begin) : len(name) - len(end)]) for file in each["files"]]
        for name in found:
            path = os.path.join(directory, name)
            enabled = False if b"[Install]" in (read(path) or b"") else None
            units.append({**_NOTHING, "name": name, "enabled": enabled, "state": "stopped"})
            files.append(path)
        data += [path for path in each["data"] if found and os.path.exists(path) and path not in data]
    return units, files, data


_NOTHING = {"masked": False, "restart_on": [], "reload_on": [], "restart": "now", "unless_container": False}
