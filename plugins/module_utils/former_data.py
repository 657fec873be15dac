# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data of databases that nothing uses any more: found on a server, and removed when they are named.

Private to the collection. Nothing is removed by a pattern: what goes has to be found in the same moment, and named.
"""

from __future__ import annotations

import glob
import os
import re
import shutil

from .data_place import KINDS, NOTES, place_of
from .host_change import HostError, attempt
from .postgresql_major import STATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from .run import Run

# What follows an instance's name in that of its directory → why it is there.
_BESIDE = {
    r"\.before-\d+": "before an upgrade",
    r"\.moved-[\d-]+": "before a move",
}
# Within an instance's own directory: what was there before the primary's data were copied.
_WITHIN = re.compile(r"former-[\d-]+(\.discarded)?")
COPIED, LEFT, PARTLY = "before a copy", "left by a database", "partly removed"
# A directory for each stack that the server knows.
_STACKS = "/etc/longshore"
DISCARDED = ".discarded"
_BLOCK = 512  # bytes, as stat(2) counts them


class FormerData:
    """What this server keeps of a stack's databases.

    ``using`` is, by engine, the instances that the stack file has on this server: their data are never meant. ``root``
    is where the server's directories begin.
    """

    def __init__(self, stack: str, using: Mapping[str, Sequence[str]], root: str = "/") -> None:
        self._stack = stack
        self._using = using
        self._root = root

    def find(self) -> list[dict[str, Any]]:
        """``instance``, ``path``, ``why`` and ``bytes`` of each; nothing of one that is being moved or upgraded."""
        return [
            {"instance": instance, "path": path, "why": why, "bytes": _size(self._at(path))}
            for engine, (home, _leaf, units) in KINDS.items()
            for instance, path, why in self._of(engine, home, units)
            if not self._busy(instance) and not self._of_another(instance)
        ]

    def remove(self, paths: Sequence[str], work: Run, check: bool) -> Iterator[str]:
        """Remove what is named; gives the paths.

        Each gets another name first: what a killed run leaves is nobody's data, and is found again. Raises
        ``HostError``, before anything is removed, for what is not kept.
        """
        known = {each["path"] for each in self.find()}
        strange = [path for path in paths if path not in known and not self._gone(path)]
        if strange:
            raise HostError(f"{', '.join(strange)}: not among what is kept here, so nothing was removed")
        # A name has to be free before another one gets it.
        for path in sorted(known & {*paths}, key=lambda each: (not each.endswith(DISCARDED), each)):
            yield path
            if not check:
                work.check()
                place = self._at(path)
                if not path.endswith(DISCARDED):
                    os.rename(place, place + DISCARDED)
                    place += DISCARDED
                shutil.rmtree(place)

    def _at(self, path: str) -> str:
        return os.path.join(self._root, path.lstrip("/"))

    def _gone(self, path: str) -> bool:
        return not os.path.lexists(self._at(path))

    def _of(self, engine: str, home: str, units: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """Instance, path and why, of one engine."""
        pattern = home.format(version="*", name=f"{glob.escape(self._stack)}-*")
        for place in sorted(glob.glob(self._at(pattern))):
            path = f"/{os.path.relpath(place, self._root)}"
            if os.path.islink(place) or not os.path.isdir(place):
                continue
            instance, why = self._told(os.path.basename(place))
            if why:
                yield instance, path, why
                continue
            inside = [] if engine == "postgresql" else sorted(filter(_WITHIN.fullmatch, os.listdir(place)))
            if instance in self._using.get(engine, ()):
                yield from ((instance, f"{path}/{name}", COPIED) for name in inside)
            elif (
                os.listdir(place) and place_of(path) == path and not os.path.ismount(place) and _ended(instance, units)
            ):
                yield instance, path, LEFT

    def _told(self, name: str) -> tuple[str, str]:
        """The instance of a directory that is called so, and why it is there; empty for the instance's own."""
        if name.endswith(DISCARDED):
            return self._told(name[: -len(DISCARDED)])[0], PARTLY
        for ending, why in _BESIDE.items():
            found = re.fullmatch(f"(.+?){ending}", name)
            if found is not None:
                return found[1], why
        return name, ""

    def _of_another(self, instance: str) -> bool:
        """Whether it is that of a stack whose name begins like this one's."""
        names = (os.path.basename(each) for each in glob.glob(self._at(f"{_STACKS}/{glob.escape(self._stack)}-*")))
        return any(instance.startswith(f"{name}-") for name in names)

    def _busy(self, instance: str) -> bool:
        notes = [f"{NOTES}/{instance}.{word}" for word in ("moving", "switching")]
        return any(not self._gone(path) for path in (*notes, f"{STATES}/{instance}.json"))


def _ended(instance: str, units: Sequence[str]) -> bool:
    """Whether none of an instance's units runs, or would after a restart of the server."""
    names = [unit.format(name=instance) for unit in units]
    return all(
        attempt(["systemctl", verb, "--quiet", name])[0] != 0 for name in names for verb in ("is-active", "is-enabled")
    )


def _size(place: str) -> int:
    """What a directory takes on its disk; what vanishes meanwhile counts as nothing."""
    total = 0
    for directory, _directories, files in os.walk(place):
        for name in files:
            try:
                total += os.lstat(os.path.join(directory, name)).st_blocks * _BLOCK
            except OSError:
                continue
    return total
