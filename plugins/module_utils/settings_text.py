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
    from collections.abc import Callable, Iterator, Mapping

# As the templates of the roles mariadb, valkey and rabbitmq have it.
OWN = "# What follows is the role's own."
# Groups that mariadbd reads (its manual, "Configuring MariaDB with Option Files"); lines before any are nobody's.
_SERVER = re.compile(r"(mariadbd?|mysqld|server)(-[\d.]+)?$")
# Off until a MariaDB takes writes; then what the settings say of it counts.
_BOTH = frozenset({"event_scheduler"})
# Of these Valkey adds up what is said again.
_LISTS = frozenset({"save", "client-output-buffer-limit"})
# As PostgreSQL's file has them ("Setting Parameters"): a sign or a blank between name and value, text in single quotes.
_ASSIGNED = re.compile(r"\s*([A-Za-z_][\w.]*)(?:\s*=\s*|\s+)('(?:[^'\\]|''|\\.)*'|[^\s#'=][^\s#']*)\s*(?:#.*)?$")
# Names whose values may be secret, in the words of all engines: requirepass, primary_conninfo, ssl_passphrase_command …
_SECRET = re.compile(
    r"(^|[_.-])pass(word|wd|phrase)?([_.-]|$)|requirepass|primaryauth|masterauth|secret|conninfo|token|cookie"
)


def mariadb(text: str) -> dict[str, str]:
    """Variables of MariaDB's server: lines ``name = value`` or ``name``, in the groups that it reads."""
    found: dict[str, str] = {}
    for group, name, value in _lines(text, "="):
        if is_server(group):
            # A name alone switches it on.
            found[name.replace("-", "_").lower()] = "1" if value is None else value
    return found


def is_server(group: str) -> bool:
    """Whether MariaDB's server reads a group of its file."""
    return _SERVER.match(group) is not None


def postgresql(text: str) -> dict[str, str]:
    """Parameters of PostgreSQL: lines ``name = value``."""
    found = (_ASSIGNED.match(line) for line in text.splitlines())
    return {each[1].lower(): _unquoted(each[2]) for each in found if each is not None}


def _unquoted(value: str) -> str:
    return re.sub(r"''|\\(.)", lambda found: found[1] or "'", value[1:-1]) if value.startswith("'") else value


def equals(text: str) -> dict[str, str]:
    """Lines ``name = value``, of RabbitMQ."""
    return {name: value or "" for _group, name, value in _lines(text, "=")}


def spaced(text: str) -> dict[str, str]:
    """Lines ``name value``, of Valkey, to which the values of a name that is said again are one list."""
    found: dict[str, str] = {}
    for _group, name, value in _lines(text, None):
        plain = (value or "").strip('"')
        found[name.lower()] = f"{found[name.lower()]} {plain}" if name.lower() in _LISTS & {*found} else plain
    return found


def _lines(text: str, sign: str | None) -> Iterator[tuple[str, str, str | None]]:
    """Group, name and value (None: there is none) of each line that says something.

    ``sign`` is between name and value, None: blanks.
    """
    group = ""
    for line in (each.strip() for each in text.splitlines()):
        if line.startswith("[") and sign is not None:
            group = line.strip("[] ")
        elif line and line[0] not in "#;":
            name, *value = line.split(sign, 1)
            yield group, name.strip(), value[0].strip() if value else None


def changeable(text: str, parse: Callable[[str], dict[str, str]]) -> dict[str, str]:
    """What settings can change in a whole configuration; nothing where it does not say where that ends.

    A whole file of the user's may also say what is said after it, and does not count.
    """
    first, found, rest = text.partition(OWN)
    own = parse(rest).keys() - _BOTH
    return {name: value for name, value in parse(first).items() if name not in own} if found else {}


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
