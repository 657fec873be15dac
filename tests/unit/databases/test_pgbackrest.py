# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a keeper of a PostgreSQL's backups does while somebody else has pgBackRest's lock."""

from __future__ import annotations

from typing import Any

import pytest
from programs import program

# As pgBackRest 2.56 says it: by itself, and of another server.
HERE = (
    "pgbackrest ended with 50: ERROR: [050]: unable to acquire lock on file '/tmp/pgbackrest/shop-main-archive-1.lock'"
)
THERE = "pgbackrest ended with 50: ERROR: [050]: raised from remote-0 tls protocol on '10.0.0.1': LockAcquireError"
OTHER = "pgbackrest ended with 56: ERROR: [056]: unable to find primary cluster - cannot proceed"


class Keeper:
    """Whose calls fail with these words, one after the other."""

    def __init__(self, made: Any, *words: str) -> None:
        self.made, self.words, self.calls = made, list(words), 0
        self.undisturbed = made.PgBackRest.undisturbed.__get__(self)

    def call(self, *_words: str) -> str:
        """One."""
        self.calls += 1
        if self.words:
            raise self.made.Failed(self.words.pop(0))
        return ""


@pytest.fixture(scope="module")
def pgbackrest() -> Any:
    """The program's module."""
    return program("roles/pgbackrest/files/pgbackrest.py")


@pytest.fixture(autouse=True)
def _in_no_time(pgbackrest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(pgbackrest.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(pgbackrest.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def test_the_lock_is_waited_for_whoever_has_it(pgbackrest: Any) -> None:
    keeper = Keeper(pgbackrest, HERE, THERE, HERE)
    keeper.undisturbed("shop-main", "stanza-create")
    assert keeper.calls == 4


def test_nothing_else_is_tried_again(pgbackrest: Any) -> None:
    keeper = Keeper(pgbackrest, HERE, OTHER)
    with pytest.raises(pgbackrest.Failed, match="unable to find primary"):
        keeper.undisturbed("shop-main", "stanza-create")
    assert keeper.calls == 2


def test_it_is_not_waited_for_for_ever(pgbackrest: Any) -> None:
    keeper = Keeper(pgbackrest, *[HERE] * 1000)
    with pytest.raises(pgbackrest.Failed, match="unable to acquire lock"):
        keeper.undisturbed("shop-main", "stanza-create")
