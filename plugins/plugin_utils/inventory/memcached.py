# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the role ``memcached``, and what services know of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template

if TYPE_CHECKING:
    from longshore.definition.databases import Database
    from longshore.definition.stack import Stack


def of_stack(definition: Stack) -> dict[str, Any]:
    """What is the same on every server."""
    if not definition.data_servers("memcached"):
        return {}
    directory = f"/etc/longshore/{definition.name}"
    return {
        "memcached_prefix": f"{definition.name}-",
        "memcached_directory": f"{directory}/memcached",
        "memcached_certificate": f"{directory}/databases.crt",
        "memcached_key": f"{directory}/databases.key",
        "memcached_run": trust_as_template("{{ longshore_run }}"),
    }


def instance(definition: Stack, database: Database, server: str) -> dict[str, Any]:
    """One of ``memcached_instances``."""
    return {
        "name": definition.instance(database.name),
        "title": database.name,
        "address": definition.servers[server].private,
        "port": database.listens,
        "tls": database.tls,
        "settings": database.settings,
    }


def reference(database: Database, authority: str) -> dict[str, Any]:
    """What ``{{ databases.<name>.… }}`` gives. ``servers`` is in the file's order, by which clients place keys."""
    servers = ",".join(f"{database.name}:{port}" for port in database.ports)
    return {
        "authority": authority if database.tls else "",
        "host": database.name,
        "port": str(database.listens),
        "servers": servers,
        "url": f"memcached://{servers}",
    }
