# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which scheduled events of a MariaDB run, so that they go on when another server becomes primary.

Written by the role longshore.stack.mariadb. A replica has the primary's events, but marks each as one that does not run
there (``SLAVESIDE_DISABLED``), also those that run nowhere: MariaDB's manual on replicated features. So a new primary
could not tell which to wake. The primary tells in etcd which of them run; the next one wakes these, which the others,
the former primary too when it is back, then mark again.
"""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any, TypeAlias

    # The rows of an answer, column → text.
    Query: TypeAlias = Callable[[str], Sequence[Mapping[str, str]]]

RUNNING = """
select event_schema place, event_name name from information_schema.events where status = 'ENABLED' order by 1, 2
"""
RESTING = """
select event_schema place, event_name name, definer from information_schema.events where status = 'SLAVESIDE_DISABLED'
"""


class Events:
    """Those of one group, as its primary sees them."""

    def __init__(self) -> None:
        self._term: int | None = None  # in which they were woken
        self._waking: threading.Thread | None = None

    def look(
        self, term: int, known: Mapping[str, Any] | None, query: Query, wake: Callable[[Collection[str]], bool]
    ) -> dict[str, Any] | None:
        """What the others are to remember; None when that is what they do.

        In a new ``term`` those that are ``known`` to run are woken first, by ``wake`` in a thread of its own: what it
        writes may wait for a replica. Until it says that it is done nothing else is remembered.
        """
        if self._term != term:
            if known is None:
                self._term = term
            elif self._waking is None or not self._waking.is_alive():
                self._waking = threading.Thread(target=self._wake, args=(term, known["running"], wake), daemon=True)
                self._waking.start()
            return None
        running = [f"{row['place']}.{row['name']}" for row in query(RUNNING)]
        return {"running": running} if running != (known or {"running": []})["running"] else None

    def _wake(self, term: int, running: Collection[str], wake: Callable[[Collection[str]], bool]) -> None:
        if wake(running):
            self._term = term


def awake(running: Collection[str], query: Query, may: Callable[[], bool]) -> bool:
    """Have those of the events run that rest and are to run; False when it may not write any more."""
    for row in query(RESTING):
        if f"{row['place']}.{row['name']}" in running:
            if not may():
                return False
            user, _at, host = row["definer"].rpartition("@")
            # Without whose it is, it would be ours.
            whose, place, name = f"{quoted(user)}@{quoted(host)}", quoted(row["place"]), quoted(row["name"])
            query(f"alter definer = {whose} event {place}.{name} enable")
    return True


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return "`" + name.replace("`", "``") + "`"
