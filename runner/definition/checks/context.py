# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check knows and how it complains."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..document import Map, locate
from ..problems import Problem, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..service import Service
    from ..stack import Stack

# What nothing else in the file depends on.
_OF_ONE_SERVER = frozenset({"address", "private_address", "public_address", "public_address6", "sysctl"})


@dataclass
class Context:
    """The part of the file that is valid by itself, and the names of the rest.

    ``broken`` has, for each section, the names that are in the file but not in ``stack``; ``lost`` the sections that
    could not be read at all; ``partial`` the services, and ``hurt`` the servers, that are in ``stack`` without their
    wrong keys. A check that needs the whole of a section asks ``whole`` first, one that needs keys of a service
    ``kept``.
    """

    stack: Stack
    root: Map
    broken: dict[str, set[str]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    partial: dict[str, set[str]] = field(default_factory=dict)
    hurt: dict[str, set[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notices: list[Problem] = field(default_factory=list)

    def complain(self, path: tuple[str | int, ...], message: str, hint: str = "", key: bool = False) -> None:
        """Remember what is wrong at ``path``; the place is its value, or its ``key``."""
        self.problems.append(problem(self.root, path, message, hint, key))

    def notice(self, path: tuple[str | int, ...], message: str, hint: str = "") -> None:
        """Remember what is valid at ``path``, and what its operator should know all the same."""
        self.notices.append(problem(self.root, path, message, hint, key=True))

    def whole(self, *sections: str) -> bool:
        """Whether nothing in these sections was left out."""
        if self.partial and "services" in sections:
            return False
        if "servers" in sections and any(keys - _OF_ONE_SERVER for keys in self.hurt.values()):
            return False
        return not any(section in self.lost or self.broken.get(section) for section in sections)

    def kept(self, name: str, *keys: str) -> bool:
        """Whether none of these keys was left out of the service ``name``."""
        return not self.partial.get(name, set()).intersection(keys)

    def whole_services(self) -> Iterator[tuple[str, Service]]:
        """The services of which nothing was left out."""
        return ((name, service) for name, service in self.stack.services.items() if name not in self.partial)

    def names(self, section: str) -> set[str]:
        """All names in a section, broken ones too."""
        return {*getattr(self.stack, section), *self.broken.get(section, ())}

    def expect(
        self, section: str, name: str, path: tuple[str | int, ...], kind: str, extra: Collection[str] = ()
    ) -> bool:
        """Complain at ``path`` unless ``section`` has ``name``; ``kind`` is what such a thing is called."""
        if name in getattr(self.stack, section) or name in extra or section in self.lost:
            return True
        if name in self.broken.get(section, ()):
            return False
        self.complain(path, f"no {kind} '{name[:64]}' in {section}", suggestion(name, {*self.names(section), *extra}))
        return False


def problem(root: Map, path: tuple[str | int, ...], message: str, hint: str = "", key: bool = False) -> Problem:
    """A problem at ``path``, placed in the file."""
    mark = locate(root, path, key)
    dotted = ".".join(str(part)[:64] for part in path)
    return Problem(mark.name, mark.line + 1, mark.column + 1, dotted, message, hint)
