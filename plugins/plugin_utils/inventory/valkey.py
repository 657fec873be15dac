# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the roles ``valkey`` and ``valkey_sentinel``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import secrets

if TYPE_CHECKING:
    from longshore.definition.databases import Database
    from longshore.definition.stack import Stack

PASSWORDS = ("owner", "reader", "admin", "replication", "sentinel", "monitor")
# In the cluster's set of credentials: one Sentinel serves all stacks.
PEER = "sentinel.password"
_RUN = trust_as_template("{{ longshore_run }}")
_PEER = secrets.kept("cluster", PEER)


def of_stack(definition: Stack) -> dict[str, Any]:
    """What is the same on every server."""
    databases = [each for each in definition.databases.values() if each.engine == "redis" and each.servers]
    if not databases:
        return {}
    watched = [each for each in databases if each.watched]
    sentinels = [{"name": name, "address": definition.servers[name].private} for name in definition.sentinels()]
    directory = f"/etc/longshore/{definition.name}"
    return {
        "valkey_sentinels": [each["address"] for each in sentinels],
        "valkey_passwords": {
            definition.instance(each.name): {
                name: secrets.kept("databases", f"{each.name}.{name}") for name in PASSWORDS
            }
            for each in databases
        },
        "valkey_directory": f"{directory}/valkey",
        "valkey_certificate": f"{directory}/databases.crt",
        "valkey_key": f"{directory}/databases.key",
        "valkey_run": _RUN,
        "valkey_sentinel_servers": sentinels,
        "valkey_sentinel_databases": [
            {
                "name": definition.instance(each.name),
                "port": each.listens,
                "servers": [{"name": name, "address": definition.servers[name].private} for name in each.servers],
                "password": secrets.inside(f"{each.name}.sentinel", "sentinel"),
            }
            for each in watched
        ],
        "valkey_sentinel_run": _RUN,
        **({"valkey_sentinel_password": _PEER, "valkey_peer_password": _PEER} if watched else {}),
    }


def instance(definition: Stack, database: Database) -> dict[str, Any]:
    """One of ``valkey_instances``."""
    return {
        "name": definition.instance(database.name),
        "title": database.name,
        "directory": database.directory or "",
        "port": database.listens,
        "servers": [{"name": name, "address": definition.servers[name].private} for name in database.servers],
        "user": database.inside,
        "strict": database.synchronous == "strict",
        "settings": database.settings,
        **({"template": str(definition.file(database.template))} if database.template is not None else {}),
    }
