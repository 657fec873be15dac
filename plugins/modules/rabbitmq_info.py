#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: rabbitmq_info
short_description: What the instances of RabbitMQ on a server are now
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Asks the instances of this server. Changes nothing.
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
options:
  instances:
    description: Name of each to what people call it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: See how the queues are
  longshore.stack.rabbitmq_info:
    instances: {shop-queue: queue}
"""

RETURN = r"""
instances:
  description:
    - By what people call it, C(role) (V(member), or empty), C(state) (V(running), or what is wrong), C(alarms)
      (V(memory), V(disk)), C(partitions) (servers that it lost sight of), C(version), C(size) (bytes of memory that it
      uses), C(connections), C(queues) and C(leads) (how many of those it leads), and C(without_quorum) (queues of which
      no majority runs).
  returned: success
  type: dict
notices:
  description: What is wrong, in words. A run with notices ends degraded.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.rabbitmq_node import Node
from ansible_collections.longshore.stack.plugins.module_utils.run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def look(name: str) -> dict[str, Any]:
    try:
        return Node(name, Run()).status()
    except HostError:
        return {"role": "", "state": "no answer"}


def words(title: str, found: dict[str, Any]) -> list[str]:
    """What somebody should look at; the same words from each server are one notice."""
    told = [
        f"{title}: {alarm} is short on {found['server']}, so nobody can publish" for alarm in found.get("alarms", [])
    ]
    if found.get("partitions"):
        told.append(f"{title}: {found['server']} has lost sight of {', '.join(found['partitions'])}")
    told += [f"{title}: most servers of the queue {queue} are away" for queue in found.get("without_quorum", [])]
    return told


def main() -> None:
    module = AnsibleModule({"instances": {"type": "dict", "required": True}}, supports_check_mode=True)
    found = {title: look(name) for name, title in module.params["instances"].items()}
    notices = [word for title, told in found.items() for word in words(title, told)]
    module.exit_json(changed=False, instances=found, notices=notices)


if __name__ == "__main__":
    main()
