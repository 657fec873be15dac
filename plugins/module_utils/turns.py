# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials that take turns: a new one is good before the former ends. Private to the collection.

The text of one is ``VALUE`` before its first turn, ``NUMBER:VALUE:FORMER`` while both are good, and ``NUMBER:VALUE``
after that. No value has a colon in it.
"""

from __future__ import annotations

from typing import NamedTuple


class Turn(NamedTuple):
    """``number`` of turns until now, the ``value``, and the ``former`` one while that is good too."""

    number: int
    value: str
    former: str


def read(text: str) -> Turn:
    """What a text says. Raises ``ValueError`` when it is none."""
    number, *values = text.split(":")
    if not values:
        return Turn(0, number, "")
    if not number.isdigit() or len(values) > 2 or not values[0]:
        raise ValueError("a damaged credential: it is neither VALUE nor NUMBER:VALUE or NUMBER:VALUE:FORMER")
    return Turn(int(number), values[0], values[1] if len(values) == 2 else "")


def begun(text: str, new: str) -> str:
    """``text`` with a ``new`` value beside the one that is good now; as it is when its turn has begun already."""
    turn = read(text)
    return text if turn.former else f"{turn.number + 1}:{new}:{turn.value}"


def ended(text: str) -> str:
    """``text`` without the former value."""
    turn = read(text)
    return f"{turn.number}:{turn.value}" if turn.former else text


def later(one: str, other: str) -> str:
    """Which of two texts of the same credential is further; the end of a turn is further than its begin.

    Raises ``ValueError`` when they differ, and none is.
    """

    def rank(text: str) -> tuple[int, bool]:
        turn = read(text)
        return turn.number, not turn.former

    if one != other and rank(one) == rank(other):
        raise ValueError("two values that are equally old")
    return max(one, other, key=rank)


def user_of(text: str, user: str, former: bool = False) -> str:
    """Who has the value (or the former one) where a user has one password only: ``user`` and ``user_2`` take turns."""
    return user if (read(text).number - former) % 2 == 0 else f"{user}_2"
