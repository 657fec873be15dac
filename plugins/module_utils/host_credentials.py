# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that are made once and kept in files of root's.

Private to the collection.
"""

from __future__ import annotations

import os
import re
import secrets
import string

from . import turns
from .host_change import HostError
from .host_files import read, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_FURTHER = {"moved": turns.moved, "ended": turns.ended}
ALPHABETS = {"hex": "0123456789abcdef", "alphanumeric": string.ascii_letters + string.digits}


def stored(directory: str, names: Mapping[str, Any]) -> dict[str, str]:
    """The values that exist; an empty file does not count, since nothing empty is ever written."""
    found = {}
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", name):
            raise HostError(f"{name!r} is not a credential's name: up to 64 letters, digits, '_', '.' and '-'")
        content = read(os.path.join(directory, name))
        if content:
            found[name] = content.decode()
    return found


def generate(length: int, alphabet: str) -> str:
    """A random value of so many characters."""
    if length < 16:
        raise HostError(f"a value of {length} characters can be guessed: take 16 or more")
    return "".join(secrets.choice(ALPHABETS[alphabet]) for _place in range(length))


def completed(
    names: Mapping[str, Mapping[str, Any]], here: Mapping[str, str], given: Mapping[str, str], make: bool
) -> dict[str, str]:
    """The values of all names: what is here, else what is given, else, with ``make``, new ones.

    Of one that takes turns the value that is further. Raises ``HostError`` when a value is here and another is given
    otherwise: one of them is in use, and nobody can tell which.
    """
    found = {}
    for name, wanted in names.items():
        value = here.get(name, given.get(name))
        if name in here and name in given:
            value = further(name, wanted, here[name], given[name])
        if value is None and make:
            value = generate(wanted["length"], wanted["alphabet"])
        if value is not None:
            found[name] = value
    return found


def further(name: str, wanted: Mapping[str, Any], one: str, other: str) -> str:
    """Which of two values of a name goes on. Raises ``HostError`` when nobody can tell."""
    try:
        if one != other and not wanted.get("turns"):
            raise ValueError
        return turns.later(one, other) if one != other else one
    except ValueError as error:
        raise HostError(
            f"the credential {name} differs between servers: find out which one is in use, remove the other file"
        ) from error


def turned(
    names: Mapping[str, Mapping[str, Any]], values: Mapping[str, str], turn: Mapping[str, str]
) -> dict[str, str]:
    """``values`` with those of ``turn`` (name → ``begun``, ``moved`` or ``ended``) further. Raises ``HostError``."""
    found = dict(values)
    for name, phase in turn.items():
        wanted = names.get(name, {})
        if not wanted.get("turns") or name not in found:
            raise HostError(f"the credential {name} does not take turns, or is not there")
        try:
            if phase in _FURTHER:
                found[name] = _FURTHER[phase](found[name])
            else:
                found[name] = turns.begun(found[name], generate(wanted["length"], wanted["alphabet"]))
        except ValueError as error:
            raise HostError(f"{name}: {error}") from error
    return found


def store(directory: str, values: Mapping[str, str], mode: int) -> None:
    """Write values, each in one step; all but certificates readable by root alone. A new directory gets ``mode``."""
    if not os.path.isdir(directory):
        os.makedirs(os.path.dirname(directory), mode=0o755, exist_ok=True)
        os.mkdir(directory, mode)
    for name, value in values.items():
        public = name.endswith(".crt")
        replace(os.path.join(directory, name), value.encode(), 0o644 if public else 0o600, (os.getuid(), os.getgid()))
