# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the role ``rabbitmq``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import secrets

if TYPE_CHECKING:
    from longshore.definition.databases import Database
    from longshore.definition.stack import Stack

# The last one is what Erlang's nodes know each other by.
PASSWORDS = ("owner", "admin", "monitor", "cookie")
_RUN = trust_as_template("{{ longshore_run }}")


def of_stack(definition: Stack) -> dict[str, Any]:
    """What is the same on every server."""
    databases = [each for each in definition.databases.values() if each.engine == "rabbitmq"]
    if not databases:
        return {}
    directory = f"/etc/longshore/{definition.name}"
    return {
        "rabbitmq_passwords": {
            definition.instance(each.name): {
                name: secrets.kept("databases", f"{each.name}.{name}") for name in PASSWORDS
            }
            for each in databases
        },
        "rabbitmq_directory": f"{directory}/rabbitmq",
        "rabbitmq_certificate": f"{directory}/databases.crt",
        "rabbitmq_key": f"{directory}/databases.key",
        "rabbitmq_run": _RUN,
    }


def instance(definition: Stack, database: Database) -> dict[str, Any]:
    """One of ``rabbitmq_instances``."""
    return {
        "name": definition.instance(database.name),
        "title": database.name,
        "directory": database.directory or "",
        "port": database.listens,
        "health_port": database.health_port,
        "peer_port": database.peer_port,
        **({"exporter_port": database.exporter_port} if database.exporter_port is not None else {}),
        "servers": [{"name": name, "address": definition.servers[name].private} for name in database.servers],
        "user": database.inside,
        "vhost": database.inside,
        "settings": database.settings,
        **({"template": str(definition.file(database.template))} if database.template is not None else {}),
    }
