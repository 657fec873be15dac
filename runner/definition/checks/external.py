# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that somebody else runs: what is needed to reach one, and what it can't have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..values import references

if TYPE_CHECKING:
    from ..databases import Database
    from ..external import External
    from .context import Context

Path = tuple[str | int, ...]

_LOGIN = ("database", "user", "password")
# Engine → what it needs, and what it may have.
_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "postgresql": (_LOGIN, _LOGIN),
    "mariadb": (_LOGIN, _LOGIN),
    "redis": ((), _LOGIN),
    "memcached": ((), ()),
}


def parts(given: External) -> tuple[str, ...]:
    """What ``{{ databases.NAME.… }}`` knows of it."""
    always = ("host", "port", "replica_host", "replica_url", "servers", "url")
    login = [part for part in ("user", "password") if getattr(given, part) is not None]
    return (*always, *(["authority"] if given.tls else []), *(["name"] if given.database is not None else []), *login)


def check(context: Context, database: Database, given: External, base: Path) -> None:
    """Check what is particular to one."""
    base = (*base, "external")
    engine = database.engine
    if engine not in _KEYS:
        context.complain(base, f"an external {engine}: not supported yet")
        return
    needed, possible = _KEYS[engine]
    if missing := [name for name in needed if getattr(given, name) is None]:
        context.complain(base, f"an external {engine} needs {', '.join(missing)}")
    for name in _LOGIN:
        if name not in possible and getattr(given, name) is not None:
            context.complain((*base, name), f"a {engine} has none", "take it out")
    if engine == "redis":
        _redis(context, given, base)
    if given.password is not None:
        _password(context, given.password, (*base, "password"))


def _redis(context: Context, given: External, base: Path) -> None:
    if given.user is not None and given.password is None:
        context.complain((*base, "user"), "a redis takes no user without a password")
    if given.database is not None and not given.database.isdigit():
        context.complain((*base, "database"), "must be a number: those of a redis have no names")


def _password(context: Context, password: str, path: Path) -> None:
    secrets, databases, _wrong = references(password)
    for name in sorted(secrets):
        secret = context.stack.secrets.get(name)
        if secret is not None and secret.generate is not None:
            words = f"'{name}' is made by this stack, so nobody there knows it"
            context.complain(path, words, "name a secret with env, file or value")
    if databases:
        context.complain(path, "the password of another database is none of this one", "name a secret")
