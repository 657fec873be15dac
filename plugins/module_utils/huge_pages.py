# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Huge pages of the kernel that PostgreSQL's shared memory is in. Private to the collection.

PostgreSQL itself says how many it needs (``shared_memory_size_in_huge_pages``: its manual, "Linux Huge Pages"). Each
instance leaves a note of that, so those of several stacks add up; ``vm.nr_hugepages`` is the sum, and the kernel's own
0 again when there is no note left. What is reserved is used at the next start of an instance.
"""

from __future__ import annotations

import glob
import os

from . import host_sysctl
from .host_change import Change, Host, HostError
from .host_files import read, replace
from .postgresql_sql import Instance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NOTES = "/var/lib/longshore/databases"
KEY = "vm.nr_hugepages"
MEMORY = "/proc/meminfo"


class HugePages:
    """Those of one instance, which listens on ``port``."""

    def __init__(self, name: str, port: int) -> None:
        self._name = name
        self._note = f"{NOTES}/{name}.huge-pages"
        self._instance = Instance(port)

    def plan(self, wanted: bool, check: bool) -> Iterator[Change]:
        """Changes that reserve what it needs, or give it back. Raises ``HostError`` where there are none."""
        before = (read(self._note) or b"").decode().strip()
        if not wanted and not before:
            return
        needed = self._needed() if wanted else ""
        others = [path for path in glob.glob(f"{NOTES}/*.huge-pages") if path != self._note]
        if not before and not others and host_sysctl.value(KEY) not in ("0", None):
            raise HostError(
                f"{self._name}: somebody else has reserved {host_sysctl.value(KEY)} huge pages on this server, which "
                f"would be taken away: have {KEY} be 0, or take huge_pages out"
            )
        if needed != before:
            yield Change(f"huge pages: {needed or 'none'}", lambda: self._take(needed))
        host = Host(check)
        total = sum(int((read(path) or b"0").decode()) for path in others) + int(needed or 0)
        yield from host_sysctl.plan("huge-pages", {KEY: str(total)} if total else {}, False, host)
        if not total and host_sysctl.value(KEY) not in ("0", None):
            yield Change(f"sysctl {KEY}", lambda: host_sysctl.set_live(KEY, "0"))

    def due(self, wanted: bool) -> bool:
        """Whether a restart would give it the pages that are reserved for it."""
        return wanted and not self._uses() and _free() >= int((read(self._note) or b"0").decode() or 0) > 0

    def notice(self, wanted: bool) -> str:
        """What somebody should know: it was to use huge pages, and can't. Empty when all is well."""
        if not wanted or self._uses() or self.due(wanted):
            return ""
        return (
            f"{self._name}: its memory is not in huge pages: the kernel has {_free()} that are free, and it needs "
            f"{self._needed()}. Restart the server: they are reserved while its memory is still in one piece"
        )

    def _needed(self) -> str:
        told = self._instance.sql("show shared_memory_size_in_huge_pages")
        if not told.isdigit():
            raise HostError(f"{self._name}: PostgreSQL knows no huge pages on this kernel; take huge_pages out")
        return told

    def _uses(self) -> bool:
        return self._instance.sql("show huge_pages_status") == "on"

    def _take(self, needed: str) -> None:
        if needed:
            replace(self._note, f"{needed}\n".encode(), 0o644, (0, 0))
        else:
            os.unlink(self._note)


def _free() -> int:
    """Those that nobody uses and nobody has reserved."""
    lines = (read(MEMORY) or b"").decode().splitlines()
    found = {name: value.split()[0] for name, _colon, value in (line.partition(":") for line in lines) if value.strip()}
    return int(found.get("HugePages_Free", "0")) - int(found.get("HugePages_Rsvd", "0"))
