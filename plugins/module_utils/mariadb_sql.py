# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and databases of an instance, by mariadb(1) over its local socket as root, who needs no password.

Private to the collection. Passwords never travel: MariaDB is given the hash that it would store, so that no log of
statements can hold one.
"""

from __future__ import annotations

import functools
import hashlib
import re
import time

from . import turns
from .host_change import Change, HostError, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

_USERS = """
select concat(user, '@', host), json_value(priv, '$.plugin'),
  ifnull(json_value(priv, '$.authentication_string'), ''), ifnull(json_value(priv, '$.ssl_type'), 0),
  if(ifnull(json_value(priv, '$.account_locked'), 0) in ('1', 'true'), 'locked', '')
from mysql.global_priv where user not in ('root', 'mysql', 'mariadb.sys')
"""
# Seconds. Replicas, and who keeps the log elsewhere, take a new login within a few.
LEAVING = 45.0
_GRANT = re.compile(r"GRANT .+? TO `[^`]*`@`[^`]*`")


class Local:
    """The instance of this server that is called ``name``."""

    def __init__(self, name: str) -> None:
        self._socket = f"/run/mariadb-{name}/mariadb.sock"

    def sql(self, text: str) -> list[list[str]]:
        """Rows of what statements give. Raises ``HostError`` with MariaDB's words."""
        out = run(
            ["mariadb", "--no-defaults", f"--socket={self._socket}", "--batch", "--skip-column-names"], given=text
        )
        return [line.split("\t") for line in out.splitlines()]

    def grants(self, user: str) -> set[str]:
        """What a user, ``name@host``, may do, each as SQL would give it."""
        lines = self.sql(f"show grants for {account(user)}")
        return {found[0] for line in lines if (found := _GRANT.match(line[0])) is not None}


def wanted(database: str, passwords: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """User → how it logs in (``login``), and the ``grants`` it needs, each without whom it is for.

    ``passwords`` has those of ``owner``, ``reader``, ``replication`` and ``monitor``, which take turns (two users are
    good while one changes). Who makes copies of the data is known by the system's user, and has none.
    """
    inside = identifier(database.replace("_", "\\_"))
    rights = {
        "owner": (database, ("ALL PRIVILEGES", inside)),
        "reader": (f"{database}_reader", ("SELECT, SHOW VIEW", inside)),
        "replication": ("replication", ("REPLICATION SLAVE, BINLOG MONITOR", "")),
        "monitor": ("monitor", ("PROCESS, BINLOG MONITOR, SLAVE MONITOR", "")),
    }
    needs = {
        **{
            f"{user}@%": (password, [right])
            for who, (name, right) in rights.items()
            for user, (password,) in turns.good(passwords[who], name).items()
        },
        "backup@localhost": ("", [("RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR, SLAVE MONITOR", "")]),
    }
    found: dict[str, dict[str, Any]] = {}
    for user, (password, allowed) in needs.items():
        everywhere = [what for what, where in allowed if not where] or ["USAGE"]
        grants = [f"GRANT {what} ON *.*" for what in everywhere]
        grants += [f"GRANT {what} ON {where}.*" for what, where in allowed if where]
        found[user] = {"login": login(password), "grants": grants}
    return found


def login(password: str) -> list[str]:
    """Plugin, what it compares with, and 1 where TLS is needed. Without a password it is the system's user mysql.

    The last one tells whether the account is locked.
    """
    if not password:
        return ["unix_socket", "mysql", "0", ""]
    return ["mysql_native_password", hashed(password), "1", ""]


def hashed(password: str) -> str:
    """What MariaDB stores instead of the password (mysql_native_password): safe for one that nobody can guess."""
    once = hashlib.sha1(password.encode()).digest()  # noqa: S324 - MariaDB's choice
    return "*" + hashlib.sha1(once).hexdigest().upper()  # noqa: S324


def plan(local: Local, database: str, passwords: Mapping[str, str]) -> Iterator[Change]:
    """Changes that make a database with its users. What else there is stays."""
    users = {user: rest for user, *rest in local.sql(_USERS)}
    needed = wanted(database, passwords)
    present = {row[0] for row in local.sql("show databases")}
    if database not in present:
        text = f"create database {identifier(database)}"
        yield Change(f"database {database}", _runner(local, text))
    changing = (database, f"{database}_reader", "monitor", "replication")
    for name in (f"{user}{number}" for user in changing for number in ("", "_2")):
        live = users.get(f"{name}@%")
        if f"{name}@%" not in needed and live is not None and live[3] != "locked":
            leaving = LEAVING if name.startswith("replication") else 0.0
            yield Change(f"{name} may not log in any more", functools.partial(_end, local, name, leaving))
    for user, needs in needed.items():
        whose = account(user)
        if users.get(user) != needs["login"]:
            words = "user" if user not in users else "login of"
            yield Change(f"{words} {user.partition('@')[0]}", _runner(local, _user(whose, needs["login"])))
        granted = local.grants(user) if user in users else set()
        missing = [grant for grant in needs["grants"] if f"{grant} TO {whose}" not in granted]
        if missing:
            text = ";".join(f"{grant} TO {whose}" for grant in missing)
            yield Change(f"rights of {user.partition('@')[0]}", _runner(local, text))


def _end(local: Local, name: str, leaving: float) -> None:
    """Lock a user out, also whoever is in. It stays, for the views and routines that it has made.

    With ``leaving`` its sessions have so many seconds to end by themselves. Raises ``HostError`` when they do not.
    """
    until = time.monotonic() + leaving
    while leaving:
        text = f"select distinct host from information_schema.processlist where user = '{name}'"  # noqa: S608 - our own
        rows = local.sql(text)
        if not rows:
            break
        if time.monotonic() >= until:
            places = ", ".join(row[0].rpartition(":")[0] for row in rows)
            raise HostError(
                f"{name} is in use after {leaving:.0f} s by {places}, so its password is good still: "
                "see longshore db status, then run this again"
            )
        time.sleep(0.5)
    local.sql(f"alter user {account(f'{name}@%')} account lock; kill hard connection user {identifier(name)}")


def _user(whose: str, how: Sequence[str]) -> str:
    plugin, text, tls, _locked = how
    via = f"identified via {plugin} {'as' if plugin == 'unix_socket' else 'using'} '{text}'"
    more = f"{via} require {'ssl' if tls == '1' else 'none'}"
    return f"create user if not exists {whose} {more}; alter user {whose} {more} account unlock"


def _runner(local: Local, text: str) -> Any:
    def call() -> None:
        local.sql(text)

    return call


def account(user: str) -> str:
    """``name@host`` as SQL takes it."""
    name, _at, host = user.rpartition("@")
    return f"{identifier(name)}@{identifier(host)}"


def identifier(name: str) -> str:
    """A name as SQL takes it, whatever it holds."""
    if "\0" in name:
        raise HostError("a name holds a NUL character")
    return "`" + name.replace("`", "``") + "`"
