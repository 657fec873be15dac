#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: rabbitmq_order
short_description: A server leaves a cluster of RabbitMQ
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - What a run of the role P(longshore.stack.rabbitmq#role) does not do by itself, step by step.
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
  order:
    description:
      - V(release), on a server that stays, has the others keep what O(server) keeps of quorum queues. Refused where
        fewer than three servers would be left, one that stays does not run, or messages would be lost.
      - V(leave), on O(server), ends the instance and puts its data aside.
      - V(forget), on a server that stays, counts it no more.
    type: str
    choices: [release, leave, forget]
    required: true
  instance:
    description: Its name.
    type: str
    required: true
  server:
    description: The server that leaves, as it is called in the cluster.
    type: str
    required: true
  lost:
    description: Whether it is lost for good. Then it must not run, and fewer may be left than survive another loss.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Have the others keep what db3 keeps
  longshore.stack.rabbitmq_order:
    order: release
    instance: shop-queue
    server: db3
"""

RETURN = r""" # """

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.rabbitmq_node import Node
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def carry_out(given: dict[str, Any], check: bool, work: Run) -> None:
    node = Node(given["instance"], work)
    if given["order"] == "release":
        node.release(given["server"], lost=given["lost"], check=check)
    elif check:
        return
    elif given["order"] == "leave":
        node.leave()
    else:
        node.forget(given["server"])


def main() -> None:
    module = AnsibleModule(
        {
            "order": {"type": "str", "choices": ["release", "leave", "forget"], "required": True},
            "instance": {"type": "str", "required": True},
            "server": {"type": "str", "required": True},
            "lost": {"type": "bool", "default": False},
            **RUN,
        },
        supports_check_mode=True,
    )
    try:
        carry_out(module.params, module.check_mode, Run.of(module.params))
    except (HostError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True)
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
