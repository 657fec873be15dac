#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_alone
short_description: Refuse unless a stack is the only one of its cluster
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Changes nothing. Fails when anything of another stack lives in the Swarm or on this server, or when the Swarm has
    servers that are not the stack's, and names them.
  - Runs on every server of the cluster, since only managers know the Swarm, and none may be left that does.
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
options:
  stack:
    description: The stack.
    type: str
    required: true
  servers:
    description: Names of all its servers.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Make sure that nobody else uses the cluster
  longshore.stack.stack_alone:
    stack: shop
    servers: [app1, app2, app3]
"""

RETURN = r"""
stacks:
  description: The other stacks, and services of no stack.
  returned: always
  type: list
  elements: str
strangers:
  description: Servers of the Swarm that are up and not the stack's.
  returned: always
  type: list
  elements: str
"""

import glob

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.cluster_lock import NAME as CLUSTER
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.swarm_plan import summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STACK = "longshore.stack"


def here(docker: Docker | None) -> set[str]:
    """The stacks that this server knows of by itself: what its load balancer serves, what runs on it."""
    found = {path.split("/")[3] for path in glob.glob("/etc/longshore/*/haproxy.json")}
    if docker is not None:
        # A task's container has its service's name, and the service its stack's.
        for container in docker.get("/containers/json"):
            service = (container.get("Labels") or {}).get("com.docker.swarm.service.name", "")
            found |= {service.partition("_")[0]} if "_" in service else set()
    return found


def in_swarm(docker: Docker) -> set[str]:
    """The stacks that have anything in the Swarm."""
    specs = [each["Spec"] for each in docker.get("/services")]
    found = {(spec.get("Labels") or {}).get(STACK, f"the service {spec['Name']}") for spec in specs}
    for path in ("/configs", "/secrets"):
        found |= {(each["Spec"].get("Labels") or {}).get(STACK, "") for each in docker.get(path)}
    found |= {(each.get("Labels") or {}).get(STACK, "") for each in docker.get("/networks")}
    return found


def members(nodes: list[dict[str, Any]]) -> set[str]:
    """The stacks that call a node a server of theirs."""
    labels = [label.split(".") for node in nodes for label in node["labels"]]
    return {parts[1] for parts in labels if len(parts) == 3 and parts[0] == "longshore" and parts[2] == "server"}


def look(stack: str, servers: list[str]) -> tuple[list[str], list[str]]:
    """The other stacks, and the servers that are nobody's of this one."""
    docker = Docker.connect()
    stacks = here(docker)
    strangers = []
    if docker is not None and docker.get("/info")["Swarm"].get("ControlAvailable"):
        try:
            nodes = [summary(node) for node in docker.get("/nodes")]
            stacks |= in_swarm(docker) | members(nodes)
        except DockerError as error:
            # Without a majority each server has to answer for itself.
            if error.status < 500:
                raise
            nodes = []
        strangers = [
            node["hostname"]
            for node in nodes
            if node["state"] == "ready"
            and node["hostname"] not in servers
            and f"longshore.{stack}.server" not in node["labels"]
        ]
    return sorted(stacks - {stack, CLUSTER, ""}), sorted(strangers)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        {
            "stack": {"type": "str", "required": True},
            "servers": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        stacks, strangers = look(module.params["stack"], module.params["servers"])
    except (DockerError, OSError) as error:
        module.fail_json(msg=str(error), stacks=[], strangers=[])
    problem = ""
    if stacks:
        problem = f"other stacks live on this cluster: {', '.join(stacks)}; remove each of them first"
    elif strangers:
        problem = (
            f"the Swarm has servers that are not this stack's: {', '.join(strangers)}; take each of them out first "
            "(on it: docker swarm leave), or write it into the stack file"
        )
    if problem:
        module.fail_json(msg=f"{problem}. Nothing was touched.", stacks=stacks, strangers=strangers)
    module.exit_json(changed=False, stacks=[], strangers=[])


if __name__ == "__main__":
    main()
