#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_settings
short_description: What would change in the settings of databases
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Compares settings with those that this server's files have, field by field, and asks the engine which of them it
    takes without a restart. Changes nothing; RV(changes) and C(changed) tell what the engine's role would change.
  - Settings whose values may be secret are passed over.
attributes:
  check_mode:
    support: full
    description: Reads only.
  diff_mode:
    support: none
    description: RV(changes) tells it.
options:
  engine:
    description: The engine.
    type: str
    choices: [postgresql, mariadb, redis, rabbitmq]
    required: true
  instances:
    description: The instances, as the engine's role takes them; C(name), C(title) and C(port) are looked at.
    type: list
    elements: dict
    required: true
  settings:
    description: Instance to all that settings can change.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: See what would change
  longshore.stack.database_settings:
    engine: mariadb
    instances: "{{ mariadb_instances }}"
    settings: {shop: {max_connections: "300"}}
"""

RETURN = r"""
changes:
  description:
    - What differs, by database, with C(fields) (C(path), C(before) and C(after)). What needs a restart is a change of
      its own, whose C(action) is V(restart).
  returned: success
  type: list
  elements: dict
instances:
  description:
    - Title, or else name, of each instance to C(settings), those that differ, each with C(name), C(before), C(after)
      and C(restart), which is null while the engine does not answer.
  returned: success
  type: dict
"""

from ansible_collections.longshore.stack.plugins.module_utils.changed_settings import ENGINES
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.settings_text import differences, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def compare(engine: str, instance: Mapping[str, Any], wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    """The settings that differ, each with whether it needs a restart."""
    looked = ENGINES[engine](instance)
    found = differences(shown(looked.settings()), shown(wanted))
    # What does not run has nothing that a restart could change.
    needed = looked.restarting(found) if found and looked.running() else set()
    return [
        {
            "name": each["path"],
            "before": each["before"],
            "after": each["after"],
            "restart": each["path"] in needed if needed is not None else None,
        }
        for each in found
    ]


def told(title: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As a plan's changes: what needs a restart apart from what does not."""
    changes = []
    for action in ("update", "restart"):
        fields = [
            {"path": each["name"], "before": each["before"], "after": each["after"]}
            for each in found
            if bool(each["restart"]) == (action == "restart")
        ]
        if fields:
            changes.append({"kind": "database", "name": title, "action": action, "fields": fields})
    return changes


def main() -> None:
    module = QuietModule(
        {
            "engine": {"type": "str", "choices": ["postgresql", "mariadb", "redis", "rabbitmq"], "required": True},
            "instances": {"type": "list", "elements": "dict", "required": True},
            "settings": {"type": "dict", "required": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    found = {
        each.get("title") or each["name"]: compare(given["engine"], each, given["settings"][each["name"]])
        for each in given["instances"]
    }
    changes = [change for title, fields in found.items() for change in told(title, fields)]
    instances = {title: {"settings": fields} for title, fields in found.items()}
    module.exit_json(changed=bool(changes), changes=changes, instances=instances)


if __name__ == "__main__":
    main()
