# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings in an engine's configuration: name → value, as its file has them.

Private to the collection. Pure. The roles write first what settings can change (what was worked out, and what is
given), then ``OWN``, then what is their own: addresses, paths, TLS, passwords.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# As the templates of the roles mariadb, valkey and rabbitmq have it.
OWN = "# What follows is the role's own."
# Names whose values may be secret, in the words of all engines: requirepass, primary_conninfo, ssl_passphrase_command …
_SECRET = re.compile(
    r"(^|[_.-])pass(word|wd|phrase)?([_.-]|$)|requirepass|primaryauth|masterauth|secret|conninfo|token|cookie"
)


def equals(text: str) -> dict[str, str]:
    """Lines ``name = value``, of MariaDB and RabbitMQ."""
    pairs = (line.split(" = ", 1) for line in text.splitlines() if " = " in line and not line.startswith("#"))
    return {pair[0]: pair[1] for pair in pairs}


def spaced(text: str) -> dict[str, str]:
    """Lines ``name value``, of Valkey."""
    pairs = (line.partition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {key: value.strip('"') for key, _space, value in pairs}


def changeable(text: str, parse: Callable[[str], dict[str, str]]) -> dict[str, str]:
    """What settings can change in a whole configuration; nothing where it does not say where that ends."""
    first, found, _rest = text.partition(OWN)
    return parse(first) if found else {}


def shown(settings: Mapping[str, object]) -> dict[str, str]:
    """``settings`` without those whose values may be secret: these are told and kept nowhere."""
    return {name: str(value) for name, value in settings.items() if not _SECRET.search(name.lower())}


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[dict[str, str | None]]:
    """What differs, by name: ``path``, ``before`` and ``after``, of which one is None where it is not said."""
    return [
        {"path": name, "before": before.get(name), "after": after.get(name)}
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
