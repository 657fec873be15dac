# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where packages of an engine come from when the servers' own distribution has another version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import model_validator

from .base import Model, Short, many, one
from .scalars import AbsolutePath, Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

# The release that servers have, and its own suites: a source with one of them would change where all comes from.
RELEASE = "trixie"
_OWN = (RELEASE, *(f"{RELEASE}-{part}" for part in ("updates", "security", "backports")), "stable", "stable-security")
# Sources that have a name. PGDG's key comes with Debian's postgresql-common (https://wiki.postgresql.org/wiki/Apt).
_NAMED: dict[str, dict[str, Any]] = {
    "debian-12": {
        "uris": ["http://deb.debian.org/debian"],
        "suites": ["bookworm", "bookworm-updates"],
        "components": ["main"],
        "keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
    },
    "pgdg": {
        "uris": ["https://apt.postgresql.org/pub/repos/apt"],
        "suites": [f"{RELEASE}-pgdg"],
        "components": ["main"],
        "keyring": "/usr/share/postgresql-common/pgdg/apt.postgresql.org.asc",
    },
}
# Where their security updates are, if elsewhere.
_SECURITY = {"debian-12": {"uris": ["http://deb.debian.org/debian-security"], "suites": ["bookworm-security"]}}
# What of PostgreSQL is in them, and in the servers' own distribution (""); others may have any version.
HAVING = {"": ("17",), "debian-12": ("15",)}


class PackageSource(Model):
    """An apt source. Only the engine's own packages are taken from it, and libraries that nobody else has."""

    uris: Texts = many("Its URLs, such as https://mirror.example/debian.", list)
    suites: Texts = many("Its suites, such as bookworm.", list)
    components: Texts = many("Its components.", lambda: ["main"])
    key: str | None = one("A file with its public key, ASCII-armored, relative to the stack file.", None, min_length=1)
    keyring: AbsolutePath | None = one("Instead of key: a keyring that is on the servers.", None)

    @model_validator(mode="after")
    def _whole(self) -> PackageSource:
        if (self.key is None) == (self.keyring is None):
            raise ValueError("needs either key or keyring: whose signature is good")
        _words("uris", self.uris, r"[a-z0-9+]+:/\S+", "a URL")
        for key in ("suites", "components"):
            _words(key, getattr(self, key), r"[a-z0-9][a-z0-9.+/-]*", "a name as apt has it")
        if own := [suite for suite in self.suites if suite in _OWN]:
            raise ValueError(f"suites: {own[0]} is the servers' own distribution, whose packages are there anyway")
        return self

    @property
    def known(self) -> str | None:
        """Its name, if it is one of those that have one."""
        return next((name for name, each in _NAMED.items() if each["uris"] == self.uris), None)

    @property
    def more(self) -> list[dict[str, list[str]]]:
        """Further ``uris`` and ``suites`` that belong to it."""
        return [_SECURITY[self.known]] if self.known in _SECURITY else []


def _words(key: str, values: Sequence[str], pattern: str, what: str) -> None:
    if not values:
        raise ValueError(f"{key} is missing")
    for value in values:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{key}: {value[:64]!r} is not {what}")


def _named(value: Any) -> Any:
    """The source that has this name."""
    if isinstance(value, str):
        if value not in _NAMED:
            raise ValueError(f"must be {' or '.join(_NAMED)}, or a mapping with uris, suites and key")
        return _NAMED[value]
    return value


Source = Annotated[PackageSource, Short(_named, {"enum": list(_NAMED)})]
