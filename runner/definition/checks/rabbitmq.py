# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A RabbitMQ: what it can't have, and its settings, which are lines of rabbitmq.conf."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..databases import Database
    from .context import Context

Path = tuple[str | int, ...]

# A name as rabbitmq.conf has it.
_SETTING = re.compile(r"[a-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_$/-]+)*")
# What rabbitmq.conf has of ours: another one would listen elsewhere, or let others in.
_OWN = (
    *("listeners.", "ssl_options.", "management.ssl.", "management.tcp.", "management.listener.", "distribution."),
    *("prometheus.ssl.", "prometheus.tcp."),
    *("auth_", "anonymous_", "default_user", "default_pass", "default_vhost", "default_permissions", "loopback_users"),
    *("cluster_formation.", "cluster_name", "cluster_partition_handling", "load_definitions", "definitions."),
)


def check(context: Context, database: Database, base: Path) -> None:
    """What a RabbitMQ can't do, or not yet."""
    if len(database.servers) == 2:
        words = "two servers stop when one of them is lost, and so serve less than one alone"
        context.complain((*base, "servers"), words, "name one, or three")
    if database.synchronous:
        words = "a rabbitmq confirms what most of a queue's servers have, whatever stands here"
        context.complain((*base, "synchronous"), words, "take it out")
    if database.witnesses:
        context.complain((*base, "witnesses"), "a rabbitmq has none: each of its servers keeps queues", "take it out")
    if database.backup is not None and database.backup.verify_sql is not None:
        context.complain((*base, "backup", "verify_sql"), "a rabbitmq knows no SQL", "take it out")
    _settings(context, database, base)
    for index, server in enumerate(database.servers):
        if server in context.stack.servers and ":" in context.stack.servers[server].private:
            words = f"the private address of '{server}' is of IPv6: not supported yet for a rabbitmq"
            context.complain((*base, "servers", index), words, "give private_address of IPv4")


def _settings(context: Context, database: Database, base: Path) -> None:
    """A name and a value are one line of its file."""
    for name, value in database.settings.items():
        path = (*base, "settings", name)
        if name.startswith(_OWN):
            context.complain(path, "is said already, by what addresses, TLS and users need", "take it out", key=True)
        elif not _SETTING.fullmatch(name):
            context.complain(path, "is no setting's name such as heartbeat or log.console.level", key=True)
        elif not str(value).strip() or not str(value).isprintable():
            context.complain(path, "must be one line of text")
