# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of people who may pass a route that asks for a password. Private to the collection. Pure.

Normalized: ``{staff: {ann: "$6$…"}}``. They are apart from the routes because they are secret: what a release keeps of
its routes names a list, never what is in it.
"""

from __future__ import annotations

import re

from .haproxy_given import mapping
from .haproxy_text import quoted, section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_USER = re.compile(r"[A-Za-z0-9._@-]{1,64}")
# What crypt(3) makes: $6$salt$hash and its like.
_CRYPTED = re.compile(r"\$[0-9a-z]+\$[A-Za-z0-9./$=,]{8,200}")


def normalize(value: Any, routes: Iterable[Mapping[str, Any]], errors: list[str]) -> dict[str, dict[str, str]]:
    """The lists; what is wrong with them, and with the ``routes`` that name them, goes to ``errors``."""
    made = {}
    for name, given in sorted(mapping("logins", value, "lists of users", errors).items()):
        if not _NAME.fullmatch(name):
            errors.append(f"logins: {name!r} is not a name of letters, digits, '_' and '-'")
        users = mapping(f"logins.{name}", given, "users and hashed passwords", errors)
        for user, password in users.items():
            if not _USER.fullmatch(user):
                errors.append(f"logins.{name}: {user!r} is not a name of letters, digits, '.', '_', '@' and '-'")
            if not _CRYPTED.fullmatch(str(password)):
                # The value is a secret, right or wrong.
                errors.append(f"logins.{name}.{user}: is not a hashed password, such as 'openssl passwd -5' makes")
        made[name] = {user: str(users[user]) for user in sorted(users)}
    for route in routes:
        wanted = (route.get("auth") or {}).get("users")
        if wanted is not None and not made.get(wanted):
            known = ", ".join(sorted(made)) or "none"
            place = f"{route['host'] or 'any host'}{route['path']}"
            errors.append(
                f"logins: {place} asks for {wanted!r}, and no list of users has that name (there is: {known})"
            )
    return made


def list_name(stack: str, name: str) -> str:
    """What HAProxy calls a list."""
    return f"{stack}.{name}"


def sections(fragments: Iterable[Mapping[str, Any]]) -> list[str]:
    """The lists of all stacks as sections of HAProxy's configuration."""
    return [
        section(
            f"userlist {list_name(fragment['stack'], name)}",
            *(f"user {user} password {quoted(password)}" for user, password in users.items()),
        )
        for fragment in fragments
        for name, users in fragment.get("logins", {}).items()
    ]
