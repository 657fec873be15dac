#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_node
short_description: Report, init, join or leave a Docker Swarm on one engine
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Speaks to the engine of the server that it runs on. What concerns other nodes is M(longshore.stack.swarm_nodes)'s.
  - In check mode a server without an engine is one outside of any Swarm.
extends_documentation_fragment:
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: full
    description: Returns what is before and after each change.
options:
  state:
    description:
      - V(reported) changes nothing.
      - V(initialised) makes a Swarm unless the engine is in one.
      - V(joined) joins as a worker unless the engine is in a Swarm.
      - V(left) leaves. Containers of the Swarm's tasks are removed, also those that an earlier leave has left.
    type: str
    choices: [reported, initialised, joined, left]
    default: reported
  advertise_address:
    description: Address at which the other nodes reach this one. Required to init and join.
    type: str
    default: ""
  managers:
    description: Addresses with ports of managers to join.
    type: list
    elements: str
    default: []
  token:
    description: The Swarm's token for workers.
    type: str
  tokens:
    description: Whether to return the token for workers, on a manager.
    type: bool
    default: false
  address_pools:
    description: Networks from which the Swarm takes the subnets of overlay networks. They can't be changed later.
    type: list
    elements: str
    default: []
  subnet_size:
    description: Length of the prefix of each overlay network.
    type: int
    default: 20
  gwbridge_ipv6_subnet:
    description: IPv6 network of docker_gwbridge, made before the engine enters a Swarm. Empty for IPv4 alone.
    type: str
    default: ""
  heartbeat:
    description: Seconds between a node's signs of life, of a new Swarm.
    type: float
    default: 2.0
  task_history:
    description: Ended tasks kept per slot, of a new Swarm.
    type: int
    default: 5
  files:
    description: Paths to look for.
    type: list
    elements: str
    default: []
  claim:
    description:
      - Whether O(run) is about to bring the server into a Swarm, if it is in none. Another run that is about to do so
        is waited for, at most 90 seconds, before the answer is given. Nothing without O(run.id).
    type: bool
    default: false
  note:
    description: Returned as it is. Other hosts of a play see results, but not the variables that a play or role sets.
    type: dict
    default: {}
  data:
    description: Label of nodes to the directory in which the data stands that it pins services to.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: See how the engine stands to a Swarm
  longshore.stack.swarm_node:
  register: node
"""

RETURN = r"""
engine:
  description: Whether an engine answers.
  returned: success
  type: bool
state:
  description: The engine's own word for its part in a Swarm, V(inactive), V(pending), V(active), V(error) or V(locked).
  returned: success
  type: str
active:
  description: Whether it is in a Swarm, sound or not.
  returned: success
  type: bool
node:
  description: Its node's id.
  returned: success
  type: str
manager:
  description: Whether it is a manager.
  returned: success
  type: bool
cluster:
  description: The Swarm's id, on a manager with a majority.
  returned: success
  type: str
nodes:
  description: All nodes, on a manager with a majority.
  returned: success
  type: list
  elements: dict
settings:
  description: The Swarm's heartbeat and task history, on a manager with a majority.
  returned: success
  type: dict
files:
  description: Those of O(files) that exist on this server.
  returned: success
  type: list
  elements: str
note:
  description: O(note).
  returned: success
  type: dict
data:
  description: For each label of O(data) its C(path), and C(held), whether anything is in it on this server.
  returned: success
  type: dict
problem:
  description: Why a manager cannot tell about the Swarm, or what is wrong with the node.
  returned: success
  type: str
token:
  description: The token for workers. Secret.
  returned: when asked for, on a manager
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import swarm_forming
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC, Cancelled, Run
from ansible_collections.longshore.stack.plugins.module_utils.swarm_membership import (
    held,
    init,
    join,
    leave,
    orphans,
    remove_orphans,
    report,
)
from ansible_collections.longshore.stack.plugins.module_utils.swarm_plan import SwarmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATES = {"initialised": True, "joined": True, "left": False}


def look(docker: Docker | None, module: AnsibleModule, run: Run) -> dict[str, Any]:
    """How the engine stands to a Swarm, after the server was claimed for the run if it is to be."""
    # Whose node was removed waits for managers that know it no more; to leave it need not hear of them.
    found = report(docker, as_it_is=module.params["state"] == "left")
    if not module.params["claim"] or module.check_mode or docker is None or not run.id or found["active"]:
        return found
    swarm_forming.claim(run)
    # The run that was waited for may have brought the server into its Swarm.
    found = report(docker)
    if found["active"]:
        swarm_forming.release(run)
    return found


def bring(docker: Docker, module: AnsibleModule, run: Run, found: dict[str, Any]) -> None:
    """Bring the engine into a Swarm, or out of it."""
    state = module.params["state"]
    if state == "left":
        if found["active"]:
            leave(docker, run)
        remove_orphans(docker, run)
        return
    if run.id:
        swarm_forming.confirm(run)
    if state == "initialised":
        init(docker, module.params)
    else:
        join(docker, module.params, run)
    swarm_forming.release(run)


def converge(module: AnsibleModule, run: Run) -> dict[str, object]:
    docker = Docker.connect()
    if docker is None and not module.check_mode:
        raise SwarmError("no Docker engine answers on this server")
    state = module.params["state"]
    found = look(docker, module, run)
    changed = STATES.get(state, found["active"]) != found["active"]
    words = {True: "in a Swarm\n", False: "in no Swarm\n"}
    difference = {"before": words[found["active"]], "after": words[STATES.get(state, found["active"])]}
    if state == "left" and docker is not None and not found["active"] and (left_over := orphans(docker)):
        changed = True
        difference["before"] += "".join(f"container {container}\n" for container in left_over)
    if changed and docker is not None and not module.check_mode:
        bring(docker, module, run, found)
        # Those that join at the same time have not called in yet.
        found = report(docker, as_it_is=True)
    if module.params["tokens"]:
        found["token"] = docker.get("/swarm")["JoinTokens"]["Worker"] if docker is not None and found["manager"] else ""
    found["files"] = [path for path in module.params["files"] if os.path.exists(path)]
    if found["problem"]:
        found["msg"] = found["problem"]
    return {
        **found,
        "note": module.params["note"],
        "data": held(module.params["data"]),
        "changed": changed,
        "diff": difference,
    }


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "choices": ["reported", "initialised", "joined", "left"], "default": "reported"},
            "advertise_address": {"type": "str", "default": ""},
            "managers": {"type": "list", "elements": "str", "default": []},
            "token": {"type": "str", "no_log": True},
            "tokens": {"type": "bool", "default": False, "no_log": False},
            "address_pools": {"type": "list", "elements": "str", "default": []},
            "subnet_size": {"type": "int", "default": 20},
            "gwbridge_ipv6_subnet": {"type": "str", "default": ""},
            "heartbeat": {"type": "float", "default": 2.0},
            "task_history": {"type": "int", "default": 5},
            "files": {"type": "list", "elements": "str", "default": []},
            "claim": {"type": "bool", "default": False},
            "note": {"type": "dict", "default": {}},
            "data": {"type": "dict", "default": {}},
            **ARGUMENT_SPEC,
        },
        required_if=[
            ("state", "initialised", ["advertise_address", "address_pools"]),
            ("state", "joined", ["advertise_address", "managers", "token"]),
        ],
        supports_check_mode=True,
    )
    try:
        result = converge(module, Run.of(module.params))
    except (SwarmError, DockerError, Cancelled, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
