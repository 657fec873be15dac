# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The groups of a stack (docs/architecture.md lists them)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import (
    exporters,
    external,
    hardening,
    https,
    protection,
    virtual_ip,
    waf,
)

if TYPE_CHECKING:
    from longshore.definition import Stack


def members(definition: Stack) -> dict[str, list[str]]:
    """Group name → its servers, in the file's order. Groups that a playbook names exist even when they are empty."""
    sentinels = definition.sentinels()
    caches = definition.data_servers("memcached")
    keepers = [keeper] if (keeper := definition.backup_server()) else []
    kept = definition.backed_up("pgbackrest")
    groups = {
        "longshore": list(definition.servers),
        "hardened": hardening.servers(definition),
        "docker_host": definition.docker_hosts(),
        "swarm_manager": definition.managers(),
        "registry": [registry] if (registry := definition.registry_server()) else [],
        "builder": definition.builders(),
        "firewall": list(definition.servers) if definition.firewall is not None else [],
        "load_balancer": definition.load_balancers(),
        "virtual_ip": virtual_ip.servers(definition),
        "certificate_keeper": https.keepers(definition),
        "volume_host": definition.volume_hosts(),
        "data_server": [
            name for name in definition.servers if any(name in each.servers for each in definition.databases.values())
        ],
        "etcd": definition.etcd_members(),
        "postgresql": definition.data_servers("postgresql"),
        "mariadb": definition.data_servers("mariadb"),
        "sentinel": sentinels,
        "former_sentinel": [name for name in definition.servers if sentinels and name not in sentinels],
        "rabbitmq": definition.data_servers("rabbitmq"),
        "valkey": definition.data_servers("redis"),
        "memcached": caches,
        "former_memcached": [name for name in definition.servers if caches and name not in caches],
        "external_database": external.servers(definition),
        "database_exporter": exporters.servers(definition),
        "database_router": definition.docker_hosts() if definition.routers() else [],
        "backup_server": keepers,
        "pgbackrest": list(dict.fromkeys([*keepers, *(name for each in kept for name in each.servers)]))
        if kept
        else [],
        "restic": keepers if definition.backed_up("restic") else [],
    }
    groups |= protection.members(definition)
    groups |= waf.members(definition)
    for name, server in definition.servers.items():
        for tag in server.tags:
            groups.setdefault(f"tag_{tag.replace('-', '_')}", []).append(name)
    return groups
