# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the role ``mariadb``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import secrets

if TYPE_CHECKING:
    from longshore.definition.databases import Database
    from longshore.definition.stack import Stack

PASSWORDS = ("owner", "reader", "replication", "monitor")
_RUN = trust_as_template("{{ longshore_run }}")


def of_stack(definition: Stack) -> dict[str, Any]:
    """What is the same on every server."""
    databases = [each for each in definition.databases.values() if each.engine == "mariadb" and each.servers]
    if not databases:
        return {}
    directory = f"/etc/longshore/{definition.name}"
    return {
        "mariadb_passwords": {
            definition.instance(each.name): {
                name: secrets.kept("databases", f"{each.name}.{name}") for name in PASSWORDS
            }
            | secrets.of_more(each)
            for each in databases
        },
        "mariadb_directory": f"{directory}/mariadb",
        "mariadb_certificate": f"{directory}/databases.crt",
        "mariadb_key": f"{directory}/databases.key",
        "mariadb_run": _RUN,
    }


def instance(definition: Stack, database: Database) -> dict[str, Any]:
    """One of ``mariadb_instances``."""
    keeper = definition.backup_server() if database.backup is not None else None
    return {
        "name": definition.instance(database.name),
        "title": database.name,
        "directory": database.directory or "",
        "port": database.listens,
        "health_port": database.health_port,
        "servers": [{"name": name, "address": definition.servers[name].private} for name in database.servers],
        "synchronous": database.synchronous,
        "database": database.inside,
        "also": [database.called(name) for name in database.also],
        "settings": database.settings,
        **({"template": str(definition.file(database.template))} if database.template is not None else {}),
        "keeper": definition.servers[keeper].private if keeper is not None else "",
    }
