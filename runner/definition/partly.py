# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can still be checked of a file that has errors: all of it but the wrong things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from .checks.context import Context
from .errors import place
from .stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .document import Map

# Sections that map names to things: one wrong thing leaves the others to be checked.
_NAMED = frozenset(
    {
        "servers",
        "services",
        "secrets",
        "configs",
        "volumes",
        "networks",
        "registries",
        "users",
        "jobs",
        "databases",
        "failover",
    }
)
# Stands in for what no file can be without (192.0.2.0/24 is nobody's: RFC 5737).
_ADDRESS = "192.0.2.1"
_NEEDED: dict[str, Any] = {
    "plugin": "longshore.stack.stack",
    "name": "stack",
    "servers": {"server": {"address": _ADDRESS}},
}
# Leaving a thing out may show what is wrong with another one.
_TRIES = 4


def valid_part(data: dict[str, Any], root: Map, errors: Iterable[Any]) -> Context | None:
    """The context for the checks, without what pydantic's ``errors`` are about. None when too little is left."""
    part = _Part(data)
    for _ in range(_TRIES):
        for error in errors:
            part.leave_out(error)
        try:
            stack = Stack.model_validate(part.data)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        else:
            return Context(stack, root, part.broken, part.lost, part.partial, part.hurt)
    return None


class _Part:
    def __init__(self, data: dict[str, Any]) -> None:
        self.data = _copied(data)
        self.broken: dict[str, set[str]] = {}
        self.lost: set[str] = set()
        self.partial: dict[str, set[str]] = {}
        self.hurt: dict[str, set[str]] = {}

    def leave_out(self, error: Any) -> None:
        """Take out the smallest thing that ``error`` is about."""
        path = place(error["loc"])
        # Nothing depends on a key that is not known.
        if error["type"] == "extra_forbidden" and _removed(self.data, path):
            return
        section = str(path[0])
        whole = len(path) < 3 or "[key]" in error["loc"][:3]
        if section == "services" and not whole and _removed(self.data, path[:3]):
            self.partial.setdefault(str(path[1]), set()).add(str(path[2]))
        elif section == "servers" and not whole and self._server(str(path[1]), str(path[2])):
            self.hurt.setdefault(str(path[1]), set()).add(str(path[2]))
        elif section in _NAMED and len(path) > 1 and _removed(self.data, path[:2]):
            self.broken.setdefault(section, set()).add(str(path[1]))
        else:
            self.lost.add(section)
            self.data.pop(section, None)
            if section in _NEEDED:
                self.data[section] = _NEEDED[section]

    def _server(self, name: str, key: str) -> bool:
        if key != "address":
            return _removed(self.data, ("servers", name, key))
        server = self.data["servers"].get(name)
        if isinstance(server, dict):
            server["address"] = _ADDRESS
        return isinstance(server, dict)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _removed(data: Any, path: tuple[str | int, ...]) -> bool:
    """Remove the key at ``path``; whether it was there."""
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return isinstance(data, dict) and data.pop(path[-1], _removed) is not _removed
