#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_remove
short_description: Remove a stack from its Swarm
version_added: 0.1.0
author:
  - The Longshore founders (@longshore)
description:
  - Removes the stack's services, jobs, networks, configs, secrets, release records and node labels, in this order, and
    waits until
    its tasks have ended.
  - What holds data is left alone, volumes and their directories on the servers above all.
extends_documentation_fragment:
  - longshore.stack.stack
  - longshore.stack.stack.lock
  - longshore.stack.stack.attributes
  - longshore.stack.run
options:
  state:
    description: V(absent) is the only state.
    type: str
    choices: [absent]
    default: absent
"""

EXAMPLES = r"""
- name: Remove the shop
  longshore.stack.stack_remove:
    stack: shop
    run: {id: r9, owner: ann, reason: moved to another cluster}
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
"""

import re
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import stack_module, swarm_state
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State

# Tasks get their grace period to end; seconds.
TASKS_PATIENCE = 120.0


def doomed(state: State) -> list[tuple[str, str, str]]:
    """All that is the stack's, as ``(kind, name, path)``, in the order of removal."""
    found = [("service", name, f"/services/{one['ID']}") for name, one in sorted(state.services.items())]
    found += [("job", name, f"/services/{one['ID']}") for name, one in sorted(state.jobs.items())]
    found += [
        ("network", name, f"/networks/{network['Id']}")
        for name, network in sorted(state.networks.items())
        if (network.get("Labels") or {}).get(swarm_state.STACK) == state.stack
    ]
    for kind, objects in (("secret", state.secrets), ("config", state.configs)):
        found += [
            (kind, name, f"/{kind}s/{one['ID']}")
            for name, one in sorted(objects.items())
            if (one["Spec"].get("Labels") or {}).get(swarm_state.STACK) == state.stack
            and name != swarm_state.lock_name(state.stack)
        ]
    return found


def labelled(state: State) -> list[dict[str, Any]]:
    """The nodes that carry labels of the stack."""
    start = f"longshore.{state.stack}."
    return [node for node in state.nodes if any(label.startswith(start) for label in node["Spec"].get("Labels") or {})]


def remove(docker: Docker, writer: Writer, run: Run, state: State) -> None:
    """Remove all of it. Raises ``ValueError`` in the end when a server that is down still holds a network."""
    held = []
    services = [one["ID"] for one in [*state.services.values(), *state.jobs.values()]]
    waited = not services
    for kind, name, path in doomed(state):
        if kind not in ("service", "job") and not waited:
            wait_for_tasks(docker, run, services)
            waited = True
        try:
            writer.remove(path)
        except DockerError as error:
            server = holder(docker, error.message) if kind == "network" else ""
            if not server:
                raise
            held.append(
                f"the network {name} stays, since {server}, which is down, is still on it; all else is gone. "
                f"Bring {server} back, or take it out of the Swarm ('longshore server remove'), and destroy again"
            )
            continue
        run.progress(f"{kind} {name}: removed")
    start = f"longshore.{state.stack}."
    for node in labelled(state):
        writer.unlabel(node["ID"], start)
    if held:
        raise ValueError("; ".join(held))


def holder(docker: Docker, message: str) -> str:
    """The server that is down and whose container holds what the engine would not remove; empty when it is none."""
    found = re.search(r"in use by task (\w+)", message)
    if not found:
        return ""
    try:
        node = docker.get(f"/nodes/{docker.get(f'/tasks/{found.group(1)}').get('NodeID')}")
    except DockerError:
        return ""
    return "" if node["Status"]["State"] == "ready" else str(node["Description"]["Hostname"])


def wait_for_tasks(docker: Docker, run: Run, services: list[str]) -> None:
    """Wait until the removed services' tasks have ended: until then they hold networks, and perhaps data."""
    until = time.monotonic() + TASKS_PATIENCE
    while time.monotonic() < until:
        tasks = docker.get("/tasks")
        # What a dead server last said of its tasks stands for ever.
        alive = {node["ID"] for node in docker.get("/nodes") if node["Status"]["State"] == "ready"}
        running = [task for task in tasks if task["Status"]["State"] == "running" and task.get("NodeID") in alive]
        if not any(task["ServiceID"] in services for task in running):
            return
        run.wait(0.3)


def converge(module: AnsibleModule) -> dict[str, Any]:
    """Remove the stack unless checking; the module's result."""
    stack = module.params["stack"]
    run = stack_module.run_of(module.params)
    docker = stack_module.connect(check_mode=True)
    if docker is None:
        return {"changed": False, "changes": []}
    state = swarm_state.read(docker, stack)
    found, nodes = doomed(state), labelled(state)
    if (found or nodes) and not module.check_mode:
        with stack_module.held(docker, stack, run, module.params["lock_wait"]) as lease:
            state = swarm_state.read(docker, stack)
            found, nodes = doomed(state), labelled(state)
            remove(docker, Writer(docker, stack, lease.check, {}), run, state)
    changes = [{"kind": kind, "name": name, "action": "remove", "fields": []} for kind, name, _path in found]
    changes += [
        {"kind": "labels", "name": node["Description"]["Hostname"], "action": "remove", "fields": []} for node in nodes
    ]
    result: dict[str, Any] = {"changed": bool(changes), "changes": changes}
    if module._diff:
        result["diff"] = [
            {
                "before_header": f"{change['kind']} {change['name']}",
                "after_header": f"{change['kind']} {change['name']} (remove)",
                "before": "present: true\n",
                "after": "",
            }
            for change in changes
        ]
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **stack_module.STACK_SPEC,
            **stack_module.LOCK_SPEC,
            "state": {"type": "str", "choices": ["absent"], "default": "absent"},
        },
        supports_check_mode=True,
    )
    with stack_module.results(module):
        module.exit_json(**converge(module))


if __name__ == "__main__":
    main()
