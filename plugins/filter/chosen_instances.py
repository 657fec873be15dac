# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of databases → some of them, with the settings of a version."""

from __future__ import annotations

DOCUMENTATION = r"""
name: chosen_instances
short_description: Some of a role's instances, with the settings of a version
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Leaves the instances that are meant, and gives them the settings that a version has kept of the server. One that the
    version does not know has those that were given then.
  - What may be secret is in no version, and stays as it is given.
positional: databases, version, server
options:
  _input:
    description: The instances, as the engine's role takes them.
    type: list
    elements: dict
    required: true
  databases:
    description: The names of the databases that are meant; none for all.
    type: list
    elements: str
    required: true
  version:
    description: A version, as M(longshore.stack.database_versions) tells it; empty for the settings that are given.
    type: dict
    required: true
  server:
    description: This server's name in the version.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show with what it would run
  ansible.builtin.debug:
    msg: "{{ mariadb_instances | longshore.stack.chosen_instances(['books'], version, 'db1') }}"
"""

RETURN = r"""
_value:
  description: The instances that are meant.
  type: list
  elements: dict
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.module_utils.settings_text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def chosen_instances(
    instances: Sequence[Mapping[str, Any]], databases: Sequence[str], version: Mapping[str, Any], server: str
) -> list[dict[str, Any]]:
    """The instances of ``databases`` (none: all), with what ``version`` (empty: the file) says of ``server``."""
    chosen = []
    for instance in instances:
        if databases and (instance.get("title") or instance["name"]) not in databases:
            continue
        given = dict(instance.get("settings") or {})
        if not version:
            chosen.append(dict(instance))
            continue
        unkept = {name: value for name, value in given.items() if name not in shown(given)}
        chosen.append(
            {
                **instance,
                # What a template gave then is among what is kept, by name.
                "template": "",
                "settings": {**version["servers"].get(server, version["given"]), **unkept},
                # Nothing is worked out beside it, also not what nobody worked out then.
                "exact": server in version["servers"],
            }
        )
    return chosen


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"chosen_instances": chosen_instances}
