#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_info
short_description: What a stack is now
version_added: 0.1.0
author:
  - The Longshore founders (@longshore)
description:
  - Reads a stack's services, tasks, nodes, releases and lock from a manager of its Swarm, in one call.
  - Where there is no Swarm yet, everything is empty.
extends_documentation_fragment:
  - longshore.stack.stack
  - longshore.stack.stack.info
  - longshore.stack.run
options:
  subset:
    description: What to read.
    type: list
    elements: str
    choices: [services, tasks, nodes, releases, lock]
    default: [services, tasks, nodes, releases, lock]
"""

EXAMPLES = r"""
- name: See who runs what where
  longshore.stack.stack_info:
    stack: shop
    subset: [services, nodes]
  register: shop
"""

RETURN = r"""
services:
  description:
    - By service C(image), C(release), C(mode), C(wanted) and C(running) tasks, C(per_server) (running tasks by
      server), C(checked)
      (a health check stands behind "running"), C(scaled) (the number set by command), C(stopped), C(update) and
      C(error).
  returned: when in O(subset)
  type: dict
tasks:
  description:
    - Every task with C(service), C(slot), C(id), C(container), C(server), C(state), C(wanted), C(since), C(image),
      C(error).
  returned: when in O(subset)
  type: list
  elements: dict
nodes:
  description:
    - Every node with C(server), C(hostname), C(id), C(role), C(leader), C(availability), C(state), C(address),
      C(tags).
  returned: when in O(subset)
  type: list
  elements: dict
releases:
  description:
    - Every kept release, newest first, with C(number), C(time), C(run), C(owner), C(reason), C(kind), C(of),
      C(current) and
      C(services) (C(image) and C(commit) of each).
  returned: when in O(subset)
  type: list
  elements: dict
lock:
  description:
    - Who holds the stack's lock, with C(run), C(owner), C(reason), C(since), C(expires); empty when nobody does.
  returned: when in O(subset)
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import (
    registry_certificate,
    stack_module,
    summary,
    swarm_state,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SUBSETS = ["services", "tasks", "nodes", "releases", "lock"]


def look(module: AnsibleModule) -> dict[str, Any]:
    """The chosen parts of the stack's state."""
    stack = module.params["stack"]
    docker = stack_module.connect(check_mode=True)
    state = swarm_state.read(docker, stack, as_it_is=True) if docker else swarm_state.State(stack)
    read: dict[str, Callable[[], Any]] = {
        "services": lambda: summary.services(docker, state) if docker else {},
        "tasks": lambda: summary.tasks(docker, state) if docker else [],
        "nodes": lambda: summary.nodes(state),
        "releases": lambda: summary.releases(state),
        "lock": lambda: summary.lock(state) or {},
    }
    return {name: read[name]() for name in module.params["subset"]}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **stack_module.STACK_SPEC,
            "subset": {"type": "list", "elements": "str", "choices": SUBSETS, "default": SUBSETS},
        },
        supports_check_mode=True,
    )
    for sentence in registry_certificate.warnings():
        module.warn(sentence)
    with stack_module.results(module):
        module.exit_json(changed=False, **look(module))


if __name__ == "__main__":
    main()
