# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles of databases have said of settings on several servers, as one."""

from __future__ import annotations

DOCUMENTATION = r"""
name: found_settings
short_description: Which settings the servers of each database have
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - The roles of databases work on one server each. This merges which settings they have put there, by database, as
    M(longshore.stack.database_versions) takes them.
options:
  _input:
    description: Host variables of the servers, with the instances, and what the modules that run them have said.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Keep which settings they have
  longshore.stack.database_versions:
    stack: shop
    state: recorded
    databases: "{{ groups['data_server'] | map('extract', hostvars) | longshore.stack.found_settings }}"
"""

RETURN = r"""
_value:
  description: Database to its C(engine), what is C(given), its C(members), and C(servers) to settings.
  type: dict
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.module_utils.settings_text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Engine → its role's instances, and what this has registered of the module that runs them.
_ROLES = {
    "postgresql": ("postgresql_instances", "__postgresql_running"),
    "mariadb": ("mariadb_instances", "__mariadb_state"),
    "redis": ("valkey_instances", "__valkey_state"),
    "rabbitmq": ("rabbitmq_instances", "__rabbitmq_state"),
}


def found_settings(hosts: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Database → ``engine``, ``given``, ``members`` and, of those that were reached, ``servers``."""
    found: dict[str, dict[str, Any]] = {}
    for known in hosts:
        for engine, (instances, said) in _ROLES.items():
            settings = (known.get(said) or {}).get("settings") or {}
            for instance in known.get(instances) or []:
                database = found.setdefault(
                    instance.get("title") or instance["name"],
                    {
                        "engine": engine,
                        "given": shown(instance.get("settings") or {}),
                        "members": [each["name"] for each in instance["servers"]],
                        "servers": {},
                    },
                )
                told = settings.get(instance["name"])
                if told:
                    database["servers"][known["inventory_hostname"]] = told
                    # What a template gives is all that is given.
                    database["given"] = dict(told) if instance.get("template") else database["given"]
    return found


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"found_settings": found_settings}
