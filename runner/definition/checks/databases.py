# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases: their servers, names and ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..databases import PORTS, VERSIONS

if TYPE_CHECKING:
    from ..databases import Database
    from .context import Context

Path = tuple[str | int, ...]
_DAY = 86400.0
_MAJORITY = 3
# Engine → the logical databases that PostgreSQL brings (initdb's manual), what Patroni and we log in as; MariaDB's own
# and the users of roles/mariadb; the users that roles/valkey makes.
_TAKEN = {
    "postgresql": frozenset({"postgres", "template0", "template1", "replicator", "rewinder", "monitor"}),
    "mariadb": frozenset(
        {"mysql", "information_schema", "performance_schema", "sys", "root", "replication", "monitor", "backup"}
    ),
    "redis": frozenset({"default", "admin", "replication", "sentinel", "router", "monitor"}),
}
# What {{ databases.NAME.… }} knows.
PARTS = ("authority", "host", "name", "password", "port", "replica_host", "replica_url", "url", "user")


def check(context: Context) -> None:
    """Check the sections ``databases`` and ``backups``."""
    backups = context.stack.backups
    if backups is not None and backups.server is not None:
        context.expect("servers", backups.server, ("backups", "server"), "server")
    for name, database in context.stack.databases.items():
        if database.engine not in PORTS:
            # What is not supported yet has been said.
            continue
        base: Path = ("databases", name)
        _version(context, database, base)
        _servers(context, database, base)
        _names(context, name, database, base)
        _backup(context, database, base)
        if database.engine != "postgresql":
            _plain(context, database, base)
        if database.engine == "redis":
            _redis(context, database, base)
        if database.health_port is not None and not 1 <= database.health_port <= 65535:
            words = f"its health would be told on port {database.health_port}, which there is not"
            context.complain((*base, "port"), words)


def _version(context: Context, database: Database, base: Path) -> None:
    known = VERSIONS[database.engine]
    if database.version is not None and database.version not in known:
        words = f"{database.engine} {database.version[:20]} is not supported"
        context.complain((*base, "version"), words, f"there is: {', '.join(known)}")


def _servers(context: Context, database: Database, base: Path) -> None:
    seen: set[str] = set()
    for key in ("servers", "witnesses"):
        for index, server in enumerate(getattr(database, key)):
            path = (*base, key, index)
            if not context.expect("servers", server, path, "server"):
                continue
            if server in seen:
                context.complain(path, f"'{server}' is named twice")
            seen.add(server)
    if database.synchronous and len(database.servers) == 1:
        words = "there is no second server for which a commit could wait"
        context.complain((*base, "synchronous"), words, "name two servers, or leave it out")


def _plain(context: Context, database: Database, base: Path) -> None:
    """What only PostgreSQL has."""
    if database.extensions:
        context.complain((*base, "extensions"), f"a {database.engine} has none", "take them out")
    backup = database.backup
    if backup is not None and "full" in backup.model_fields_set:
        words = f"each backup of a {database.engine} is a whole one, in which nothing is stored twice"
        context.complain((*base, "backup", "full"), words, "take it out")


def _redis(context: Context, database: Database, base: Path) -> None:
    """What a Redis can't do, or not yet."""
    if database.backup is not None and database.backup.verify_sql is not None:
        context.complain((*base, "backup", "verify_sql"), "a redis knows no SQL", "take it out")
    if database.synchronous is True:
        words = "a redis answers before its replicas have what was written, so nothing here could be promised"
        context.complain((*base, "synchronous"), words, "strict bounds what can be lost to five seconds")
    if database.watched and len(context.stack.sentinels()) < _MAJORITY:
        words = "a replica needs three servers in all, a majority of which says who is primary: not supported yet"
        context.complain((*base, "servers"), words, "add a server to the stack, or name one server here")


def _backup(context: Context, database: Database, base: Path) -> None:
    if database.backup is not None and database.backup.keep < _DAY:
        context.complain((*base, "backup", "keep"), "is less than a day, and a backup is kept for whole days")


def _names(context: Context, name: str, database: Database, base: Path) -> None:
    if database.inside in _TAKEN[database.engine]:
        context.complain(base, f"'{name}' is a name of the engine's own or of ours; call it otherwise", key=True)
    reader = database.reader
    if reader is not None:
        for section, kind in (("services", "service"), ("databases", "database")):
            if reader in context.names(section):
                words = f"its replicas are called so on the network; give the {kind} another name"
                context.complain((section, reader), f"'{name}' is a database: {words}", key=True)
