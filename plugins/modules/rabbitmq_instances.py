#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: rabbitmq_instances
short_description: The instances of RabbitMQ on a server run with their configuration
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Starts instances, waits until they are in one cluster, and has this hold its virtual host and users.
  - Package, files and units are there already; the role P(longshore.stack.rabbitmq#role) does all of it.
extends_documentation_fragment:
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: What is changed has no text, or is secret.
options:
  state:
    description:
      - V(present) starts what does not run, and makes virtual host and users. For all servers at once.
      - V(restarted) restarts what runs with other files, once the others can do without it. For one server at a time.
      - V(moved) moves the data that are to be elsewhere, most of them while they are in use. A primary hands over
        before it stops. For one server at a time, replicas first.
    type: str
    choices: [present, restarted, moved]
    default: present
  instances:
    description: Their names.
    type: list
    elements: str
    required: true
  servers:
    description:
      - The servers for which this task is run. They are waited for, and the first of a cluster's makes its users.
    type: list
    elements: str
    default: []
  settings:
    description:
      - Instance to what settings can change, as its file has it, but for what may be secret.
      - Given back, so that somebody can keep it.
    type: dict
    default: {}
  directories:
    description:
      - Instance to the directory in which its data are to be, on a disk of its own; others are below F(/var/lib).
      - V(present) makes the place of one that has no data yet. What else is to move is in RV(moves).
    type: dict
    default: {}
  deadline:
    description: Seconds until an instance must serve.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Run the instances
  longshore.stack.rabbitmq_instances:
    instances: [shop-queue]
    servers: "{{ ansible_play_hosts }}"
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be done, a few words each.
  returned: success
  type: list
  elements: str
restart:
  description: Instances that need a restart for what their files say.
  returned: success
  type: list
  elements: str
settings:
  description: What O(settings) says.
  returned: success
  type: dict
moves:
  description: Instances whose data are to be moved to another directory.
  returned: success
  type: list
  elements: str
kept:
  description: Where the former data of moved instances are.
  returned: success
  type: list
  elements: str
notices:
  description: Servers of a cluster that are not in its file any more. A run with notices ends degraded.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.data_place import Place
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.rabbitmq_node import Node
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def converge(given: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    changes, due, moves, kept, notices = [], [], [], [], []
    for name in given["instances"]:
        node = Node(name, work, given["servers"], given["deadline"])
        place, directory = Place("rabbitmq", name, work), given["directories"].get(name, "")
        if given["state"] == "present":
            changes += [f"{name}: {change}" for change in place.present(directory, check)]
            changes += [f"{name}: {change}" for change in node.converge(check)]
        elif given["state"] == "moved":
            if place.due(directory):
                changes.append(f"{name}: {place.move_in_words(directory, node.size())}")
                if not check:
                    node.move(place, directory)
        elif node.due():
            changes.append(f"{name}: restart")
            if not check:
                node.restart()
        kept += place.kept
        if node.due():
            due.append(name)
        if place.due(directory):
            moves.append(name)
        # One that was only left out of the file goes on, and counts for the majority.
        notices += [f"{each} is still a server of {name}: longshore db remove ends it" for each in node.strangers()]
    told = {"restart": due, "moves": moves, "kept": kept, "settings": given["settings"], "notices": notices}
    return {"changed": bool(changes), "changes": changes, **told}


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "choices": ["present", "restarted", "moved"], "default": "present"},
            "instances": {"type": "list", "elements": "str", "required": True},
            "servers": {"type": "list", "elements": "str", "default": []},
            "settings": {"type": "dict", "default": {}, "no_log": False},
            "directories": {"type": "dict", "default": {}},
            "deadline": {"type": "int", "default": 600},
            **RUN,
        },
        supports_check_mode=True,
    )
    try:
        result = converge(module.params, module.check_mode, Run.of(module.params))
    except (HostError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
