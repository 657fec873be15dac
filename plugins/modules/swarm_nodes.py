#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_nodes
short_description: Labels, roles, draining and removal of a Swarm's nodes
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Runs on a manager.
  - V(converged) never drains or removes a node, nor demotes one that was left out; those take a state of their own.
  - Changes are made under the cluster's lock, C(longshore_cluster.lock), so that two runs never take two managers down
    at once. A node that is drained for a restart keeps it for O(run) until the node is active again.
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
      - V(converged) gives the nodes in O(nodes) their labels and managers their role, and the Swarm its settings.
      - V(drained) moves a node's tasks away and waits until its services run elsewhere.
      - V(active) lets tasks come again, after the node is up.
      - V(demoted) makes a manager a worker, unless the others would lose their majority.
      - V(removed) forgets a worker that is drained or dead.
    type: str
    choices: [converged, drained, active, demoted, removed]
    default: converged
  nodes:
    description: The servers.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The node's id. Empty when it is known in check mode only that there will be one.
        type: str
        default: ""
      name:
        description: The server's name, for messages.
        type: str
        required: true
      labels:
        description: All its labels that begin with O(label_prefix).
        type: dict
        default: {}
      role:
        description:
          - A manager that is to be a V(worker) is demoted when all O(managers) are at hand and ready, and no label of
            another prefix, C(<prefix>server) with C(<prefix>manager), says that somebody else wants it as one.
          - Labels C(<prefix>server) of a prefix without any C(<prefix>manager) keep it a manager too.
        type: str
        choices: [manager, worker]
        default: worker
      known_role:
        description: The role of a node that exists in check mode only.
        type: str
        choices: [manager, worker]
        default: worker
      data:
        description:
          - As RV(longshore.stack.swarm_node#module:data). Such a label leaves no server whose directory holds anything,
            or that is not among O(nodes).
        type: dict
        default: {}
  managers:
    description: How many servers should be managers, those that are not in O(nodes) too. With V(0) none is demoted.
    type: int
    default: 0
  label_prefix:
    description: Beginning of the labels that are ours. Others are left alone.
    type: str
    default: longshore.
  heartbeat:
    description: Seconds between a node's signs of life.
    type: float
    default: 2.0
  task_history:
    description: Ended tasks kept per slot.
    type: int
    default: 5
  node:
    description: Id of the node to drain, activate, demote or remove.
    type: str
    default: ""
  server:
    description: Name of the server, found by its label V(<prefix>server), when O(node) is empty.
    type: str
    default: ""
  restarting:
    description:
      - Whether this is about a restart. A node drained for one is put back by whoever finds it later.
      - V(drained) refuses when the managers would lose a majority that they could keep.
    type: bool
    default: false
  force:
    description:
      - Whether a O(server) is demoted or removed although another stack uses it, or labels C(longshore.*.volume.*) say
        that a local volume is on it.
    type: bool
    default: false
  timeout:
    description: Longest wait for another run, for tasks to move and nodes to come back, in seconds.
    type: float
    default: 300.0
"""

EXAMPLES = r"""
- name: Move the tasks away from app2
  longshore.stack.swarm_nodes:
    state: drained
    server: app2
    label_prefix: longshore.shop.
"""

RETURN = r"""
node:
  description: Id of the node; empty when there is none to demote or remove.
  returned: unless O(state=converged)
  type: str
changes:
  description: What was done, a few words each.
  returned: success
  type: list
  elements: str
managers:
  description: Ids of the nodes that are managers now, or in check mode would be.
  returned: when O(state=converged)
  type: list
  elements: str
locked:
  description: The other run that holds the cluster's lock.
  returned: failure because of another run
  type: dict
notes:
  description: What an operator should know.
  returned: success
  type: list
  elements: str
"""

import contextlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import cluster_lock
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.lease import LeaseLost, Locked
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC, Cancelled, Run
from ansible_collections.longshore.stack.plugins.module_utils.swarm_nodes import (
    activate,
    apply,
    demote,
    drain,
    find,
    nodes,
    nodes_once_led,
    remove,
    services_on,
    wait_until_drained,
    wait_until_ready,
    wait_until_spared,
)
from ansible_collections.longshore.stack.plugins.module_utils.swarm_plan import (
    RESTARTING,
    SwarmError,
    differences,
    managers_after,
    notes,
    quorum_after_removal,
    settings_of,
    ties,
)
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import Manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NODE = {
    "id": {"type": "str", "default": ""},
    "name": {"type": "str", "required": True},
    "labels": {"type": "dict", "default": {}},
    "role": {"type": "str", "choices": ["manager", "worker"], "default": "worker"},
    "known_role": {"type": "str", "choices": ["manager", "worker"], "default": "worker"},
    "data": {"type": "dict", "default": {}},
}


def converge(docker: Docker | None, parameters: dict[str, Any], check: bool, run: Run) -> dict[str, Any]:
    manager = docker if docker and docker.get("/info")["Swarm"].get("ControlAvailable") else None
    if manager is None and not check:
        raise SwarmError("this server is not a manager")
    wanted = [
        {**server, "labels": {name: str(value) for name, value in server["labels"].items()}}
        for server in parameters["nodes"]
    ]
    settings = {"heartbeat": parameters["heartbeat"], "task_history": parameters["task_history"]}

    def plan() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        found = nodes(manager) if manager else []
        current = settings_of(manager.get("/swarm")) if manager else settings
        prefix, managers = parameters["label_prefix"], parameters["managers"]
        return found, differences(found, current, wanted, prefix, settings, managers=managers)

    found, todo = plan()
    if manager and todo and not check:
        with cluster_lock.held(manager, run, parameters["timeout"]) as lock:
            # Who held the lock may have done some of it, or more.
            found, todo = plan()
            for difference in todo:
                lock.check()
                apply(manager, difference, run)
    after = nodes(manager) if manager and not check else found
    return {
        **answer(
            [difference["what"] for difference in todo],
            "".join(f"{each['what']}\n{each['before']}" for each in todo),
            "".join(f"{each['what']}\n{each['after']}" for each in todo),
            notes(after),
        ),
        "managers": managers_after(after, todo if check else []),
    }


def change_one(docker: Docker, parameters: dict[str, Any], check: bool, run: Run) -> dict[str, Any]:
    # The engine that is asked may have been restarted a moment ago.
    everything = nodes_once_led(docker, parameters["timeout"], run) if parameters["restarting"] else nodes(docker)
    node = find(everything, parameters["node"], f"{parameters['label_prefix']}server", parameters["server"])
    name = parameters["server"] or parameters["node"]
    if node is None:
        if parameters["state"] in ("demoted", "removed"):
            return {**answer([], "", "", [f"{name} is not in the Swarm"]), "node": ""}
        raise SwarmError(f"{name} is not in the Swarm")
    name = parameters["server"] or node["hostname"] or node["id"]
    leaves = parameters["server"] and parameters["state"] in ("demoted", "removed") and not parameters["force"]
    if leaves and (tied := ties(node["labels"], parameters["label_prefix"])):
        raise SwarmError(
            f"{name} is not removed, and nothing was touched: {'; '.join(tied)}. To remove it all the same: "
            f"`longshore server remove {name} --yes-remove`; what its disks hold stays there"
        )
    act = {"drained": _drained, "active": _active, "demoted": _demoted, "removed": _removed}[parameters["state"]]
    before = f"{name} {node['role']} {node['availability']}\n"
    if parameters["state"] == "active" and not check:
        # Before the lock: right after its restart the engine that is asked may not speak for the Swarm yet.
        wait_until_ready(docker, node["id"], parameters["timeout"], run)
    restarts = parameters["state"] == "drained" and parameters["restarting"]
    lock = cluster_lock.held(docker, run, parameters["timeout"], keep=restarts)
    with contextlib.nullcontext() if check else lock:
        changed, remarks = act(docker, node, parameters, check, run)
    what = [f"{name} {parameters['state']}"] if changed else []
    after = f"{name} {parameters['state']}\n" if changed else before
    return {**answer(what, before, after, remarks), "node": node["id"]}


def _drained(
    docker: Docker, node: dict[str, Any], parameters: dict[str, Any], check: bool, run: Run
) -> tuple[bool, list[str]]:
    changed = node["availability"] != "drain"
    if parameters["restarting"]:
        wait_until_spared(docker, node["id"], run)
    if check:
        return changed, []
    if parameters["restarting"]:
        # One server at a time: what an interrupted restart left drained takes tasks again first.
        for other in nodes(docker):
            if RESTARTING in other["labels"] and other["id"] != node["id"]:
                activate(docker, other["id"])
    moving = services_on(docker, node["id"])
    if changed:
        drain(docker, node["id"], parameters["restarting"])
    stuck = wait_until_drained(docker, node["id"], moving, parameters["timeout"], run)
    return changed, [f"{service} can run nowhere else and waits" for service in stuck]


def _active(
    docker: Docker, node: dict[str, Any], parameters: dict[str, Any], check: bool, _run: Run
) -> tuple[bool, list[str]]:
    if parameters["restarting"]:
        # What an operator has drained stays so. In check mode the node was not drained a moment ago for its restart.
        changed = RESTARTING in node["labels"] or (check and node["availability"] == "active")
    else:
        changed = node["availability"] != "active" or RESTARTING in node["labels"]
    if changed and not check:
        activate(docker, node["id"])
    return changed, []


def _demoted(
    docker: Docker, node: dict[str, Any], _parameters: dict[str, Any], check: bool, run: Run
) -> tuple[bool, list[str]]:
    changed = node["role"] == "manager"
    problem = quorum_after_removal(nodes(docker), node["id"]) if changed else ""
    if problem:
        raise SwarmError(f"refused: {problem}")
    if changed and not check:
        demote(docker, node["id"], run)
    return changed, []


def _removed(
    docker: Docker, node: dict[str, Any], _parameters: dict[str, Any], check: bool, _run: Run
) -> tuple[bool, list[str]]:
    if not check and (node["role"] == "manager" or (node["state"] == "ready" and node["availability"] != "drain")):
        raise SwarmError("refused: demote and drain it first")
    if not check:
        remove(docker, node["id"])
    return True, []


def answer(changes: list[str], before: str, after: str, remarks: list[str]) -> dict[str, Any]:
    return {
        "changed": bool(changes),
        "changes": changes,
        "notes": remarks,
        "diff": {"before": before, "after": after},
    }


def main() -> None:
    module = AnsibleModule(
        {
            "state": {
                "type": "str",
                "choices": ["converged", "drained", "active", "demoted", "removed"],
                "default": "converged",
            },
            "nodes": {"type": "list", "elements": "dict", "default": [], "options": NODE},
            "managers": {"type": "int", "default": 0},
            "label_prefix": {"type": "str", "default": "longshore."},
            "heartbeat": {"type": "float", "default": 2.0},
            "task_history": {"type": "int", "default": 5},
            "node": {"type": "str", "default": ""},
            "server": {"type": "str", "default": ""},
            "restarting": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 300.0},
            **ARGUMENT_SPEC,
        },
        supports_check_mode=True,
    )
    try:
        engine = Docker.connect()
        # While the managers choose a leader, what is read is asked for again.
        docker = Manager.like(engine) if engine else None
        run = Run.of(module.params)
        if module.params["state"] == "converged":
            result = converge(docker, module.params, module.check_mode, run)
        elif docker is None:
            raise SwarmError("no Docker engine answers on this server")
        else:
            result = change_one(docker, module.params, module.check_mode, run)
    except Locked as error:
        module.fail_json(msg=str(error), locked=error.holder)
    except (SwarmError, DockerError, Cancelled, LeaseLost, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
