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
# The logical databases that PostgreSQL brings (initdb's manual), and what Patroni and we log in as.
_TAKEN = frozenset({"postgres", "template0", "template1", "replicator", "rewinder", "monitor"})
# What {{ databases.NAME.… }} knows.
PARTS = ("host", "name", "password", "port", "replica_host", "replica_url", "url", "user")


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
        if not 1 <= database.health_port <= 65535:
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


def _backup(context: Context, database: Database, base: Path) -> None:
    if database.backup is not None and database.backup.keep < _DAY:
        context.complain((*base, "backup", "keep"), "is less than a day, and a backup is kept for whole days")


def _names(context: Context, name: str, database: Database, base: Path) -> None:
    if database.inside in _TAKEN:
        context.complain(base, f"'{name}' is a name of PostgreSQL's own or of ours; call it otherwise", key=True)
    reader = database.reader
    if reader is not None:
        for section, kind in (("services", "service"), ("databases", "database")):
            if reader in context.names(section):
                words = f"its replicas are called so on the network; give the {kind} another name"
                context.complain((section, reader), f"'{name}' is a database: {words}", key=True)
