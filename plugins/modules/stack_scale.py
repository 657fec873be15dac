#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_scale
short_description: Replicas, restart, stop and start of a stack's services
version_added: 0.1.0
author:
  - The Longshore founders (@longshore)
description:
  - Changes running services by command and waits until they run as wanted.
  - A number of replicas set here is kept by later deploys while the stack file still says the same number as now; a
    stopped
    service stays stopped until it is started.
  - A service with routes gets no more tasks than the load balancers have room for, twice what the stack file says
    and at least 16, those of an update among them; more is refused.
  - What does not come up is explained, taken back, and the task fails.
extends_documentation_fragment:
  - longshore.stack.stack
  - longshore.stack.stack.lock
  - longshore.stack.stack.attributes
  - longshore.stack.run
options:
  services:
    description:
      - The services by name. With O(state=scaled) each has its number of replicas, as V(5), V(+2) or V(-1); otherwise
        the values
        don't matter.
    type: dict
    required: true
  state:
    description:
      - V(scaled) sets the number of replicas.
      - V(restarted) replaces all tasks, in the way an update does. It does so each time.
      - V(stopped) ends all tasks. V(started) brings the number back that the service had.
    type: str
    choices: [scaled, restarted, stopped, started]
    default: scaled
"""

EXAMPLES = r"""
- name: Two more web tasks
  longshore.stack.stack_scale:
    stack: shop
    services: {web: "+2"}
"""

RETURN = r"""
changes:
  description: Every change, made or in check mode predicted; as in M(longshore.stack.stack_services).
  returned: success
  type: list
  elements: dict
locked:
  description: Who holds the lock.
  returned: failure because of another run
  type: dict
notices:
  description: What lacks tasks because a server that would fit is away. A run with notices ends degraded.
  returned: success, not in check mode
  type: list
  elements: str
services:
  description: As in M(longshore.stack.stack_info).
  returned: success, not in check mode
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import (
    overrides,
    stack_change,
    stack_module,
    summary,
    swarm_state,
)
from ansible_collections.longshore.stack.plugins.module_utils.service_spec import EDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State


def wanted(state: State, action: str, services: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The new portable spec of each service. Raises ``ValueError`` with all that is wrong."""
    specs, problems = {}, []
    for name, amount in services.items():
        live = state.spec(name)
        if live is None:
            there = ", ".join(sorted(state.services)) or "none"
            problems.append(f"{state.stack} has no service {name} (there are: {there})")
            continue
        try:
            if action == "scaled":
                specs[name] = overrides.scaled(live, str(amount), f"{state.stack}_{EDGE}")
            elif action == "restarted":
                specs[name] = overrides.restarted(live)
            else:
                specs[name] = overrides.stopped(live, action == "stopped")
        except ValueError as error:
            problems.append(f"service {name}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return specs


def scale(module: AnsibleModule) -> dict[str, Any]:
    """Plan, and unless checking carry it out; the module's result."""
    stack, services = module.params["stack"], module.params["services"]
    run = stack_module.run_of(module.params)
    docker = stack_module.connect(check_mode=False)
    if docker is None:
        raise swarm_state.NotAManager("the Docker engine does not answer on this server")
    with stack_module.held_unless(module.check_mode, docker, stack, run, module.params["lock_wait"]) as lease:
        state = swarm_state.read(docker, stack)
        change = stack_change.Change(state, wanted(state, module.params["state"], services))
        if lease is not None:
            change.apply(docker, run, lease)
    result = {"changed": bool(change.changes()), "changes": change.changes()}
    if module._diff:
        result["diff"] = change.diff()
    if not module.check_mode:
        result["notices"] = list(change.lacking.values())
        result["services"] = summary.services(docker, swarm_state.read(docker, stack))
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **stack_module.STACK_SPEC,
            **stack_module.LOCK_SPEC,
            "services": {"type": "dict", "required": True},
            "state": {
                "type": "str",
                "choices": ["scaled", "restarted", "stopped", "started"],
                "default": "scaled",
            },
        },
        supports_check_mode=True,
    )
    with stack_module.results(module):
        module.exit_json(**scale(module))


if __name__ == "__main__":
    main()
