# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the role ``database_exporter``, and which of its units end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import secrets

if TYPE_CHECKING:
    from longshore.definition.databases import Database
    from longshore.definition.stack import Stack

# Those that a program of its own asks; a RabbitMQ tells its figures itself (roles/rabbitmq).
_ENGINES = ("postgresql", "mariadb", "redis")


def servers(definition: Stack) -> list[str]:
    """The servers on which exporters run."""
    return [name for name in definition.servers if _of(definition, name)]


def of_stack(definition: Stack) -> dict[str, Any]:
    """What is the same on every server, also where no exporter is wanted any more."""
    directory = f"/etc/longshore/{definition.name}"
    return {
        "database_exporter_passwords": {
            definition.instance(each.name): secrets.kept("databases", f"{each.name}.monitor")
            for each in definition.databases.values()
            if _asked(each)
        },
        "database_exporter_directory": _directory(definition),
        "database_exporter_certificate": f"{directory}/databases.crt",
        "database_exporter_key": f"{directory}/databases.key",
    }


def of_server(definition: Stack, name: str) -> dict[str, Any]:
    """The instances whose figures one server tells."""
    return {
        "database_exporter_instances": [
            {
                "name": definition.instance(each.name),
                "title": each.name,
                "engine": each.engine,
                "address": definition.servers[name].private,
                "port": each.listens,
                "exporter_port": each.exporter_port,
                "database": each.inside,
            }
            for each in _of(definition, name)
        ]
    }


def former_units(definition: Stack, name: str) -> list[dict[str, Any]]:
    """Exporters that a server may have and that are wanted there no longer; the instances themselves are not meant."""
    directory = _directory(definition)
    return [
        {
            "pattern": "longshore-exporter-*.service",
            # Another stack's name may begin like this one's.
            "containing": f":{directory}/",
            "keep": [f"longshore-exporter-{definition.instance(each.name)}.service" for each in _of(definition, name)],
            "files": [f"{directory}/{{}}.login"],
        }
    ]


def _asked(database: Database) -> bool:
    return database.exporter and database.engine in _ENGINES


def _of(definition: Stack, server: str) -> list[Database]:
    return [each for each in definition.databases.values() if server in each.servers and _asked(each)]


def _directory(definition: Stack) -> str:
    return f"/etc/longshore/{definition.name}/exporters"
