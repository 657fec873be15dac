# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials that take turns: a new one is good before the former ends. Private to the collection.

The text of one is ``VALUE`` before its first turn, ``NUMBER:VALUE:FORMER`` while both are good, and ``NUMBER:VALUE``
after that. No value has a colon in it. Services take the new value as soon as there are two. What runs inside, such as
replicas, takes it only with ``NUMBER:VALUE:FORMER:moved``, when who is asked is known to take both.
"""

from __future__ import annotations

from typing import NamedTuple

_MOVED = "moved"


class Turn(NamedTuple):
    """``number`` of turns until now, the ``value``, and the ``former`` one while that is good too.

    ``moved``: what runs inside is to use the ``value`` also while there are two.
    """

    number: int
    value: str
    former: str
    moved: bool = False


def read(text: str) -> Turn:
    """What a text says. Raises ``ValueError`` when it is none."""
    number, *values = text.split(":")
    if not values:
        return Turn(0, number, "")
    if not number.isdigit() or not values[0] or values[2:] not in ([], [_MOVED]):
        raise ValueError(
            "a damaged credential: it is neither VALUE nor NUMBER:VALUE, NUMBER:VALUE:FORMER or that, moved"
        )
    return Turn(int(number), values[0], values[1] if len(values) > 1 else "", len(values) > 2)


def begun(text: str, new: str) -> str:
    """``text`` with a ``new`` value beside the one that is good now; as it is when its turn has begun already."""
    turn = read(text)
    return text if turn.former else f"{turn.number + 1}:{new}:{turn.value}"


def moved(text: str) -> str:
    """``text`` with which also what runs inside uses the new value; as it is where there is one value only."""
    turn = read(text)
    return f"{turn.number}:{turn.value}:{turn.former}:{_MOVED}" if turn.former else text


def ended(text: str) -> str:
    """``text`` without the former value."""
    turn = read(text)
    return f"{turn.number}:{turn.value}" if turn.former else text


def later(one: str, other: str) -> str:
    """Which of two texts of the same credential is further: of one turn its begin, ``moved``, its end.

    Raises ``ValueError`` when they differ, and none is.
    """

    def rank(text: str) -> tuple[int, bool, bool]:
        turn = read(text)
        return turn.number, not turn.former, turn.moved

    if one != other and rank(one) == rank(other):
        raise ValueError("two values that are equally old")
    return max(one, other, key=rank)


def user_of(text: str, user: str, former: bool = False) -> str:
    """Who has the value (or the former one) where a user has one password only: ``user`` and ``user_2`` take turns."""
    return user if (read(text).number - former) % 2 == 0 else f"{user}_2"


def good(text: str, user: str, alternating: bool = True) -> dict[str, list[str]]:
    """User → the passwords with which it is let in. ``alternating``: a user has one only, so two take turns."""
    turn = read(text)
    found: dict[str, list[str]] = {}
    for value, former in ((turn.value, False), (turn.former, True)):
        if value:
            found.setdefault(user_of(text, user, former) if alternating else user, []).append(value)
    return found


def inside(text: str, user: str, alternating: bool = True) -> tuple[str, str]:
    """User and password with which what runs inside logs in: those that everybody has taken already."""
    turn = read(text)
    former = bool(turn.former) and not turn.moved
    return user_of(text, user, former) if alternating else user, turn.former if former else turn.value
