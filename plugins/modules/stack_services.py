#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_services
short_description: Make a stack's services, networks, configs and secrets what they should be
version_added: 0.1.0
author:
  - The Longshore founders (@longshore)
description:
  - Converges all services, networks, configs and secrets of one stack on a Docker Swarm in one call, waits until every
    service runs as wanted, and records the release.
  - When a service does not come up, the task explains why, brings the release before back, and fails.
  - What carries the stack's label and is no longer named is removed last. Volumes and their data are never removed.
  - A change made by hand is found and repaired. Replicas set with M(longshore.stack.stack_scale) are kept until
    the given number changes.
extends_documentation_fragment:
  - longshore.stack.stack
  - longshore.stack.stack.lock
  - longshore.stack.stack.attributes
  - longshore.stack.run
  - longshore.stack.registry_auth
options:
  services:
    description:
      - The services by name, in Longshore's normalized form (docs/architecture.md).
    type: dict
    default: {}
  images:
    description: The image of each service, pinned by digest. A service that is not named runs the image as written.
    type: dict
    default: {}
  image_configs:
    description:
      - What each service's image says about itself, as the engine's image C(Config) (Entrypoint, Cmd, Env, Healthcheck,
        User).
      - What is not given is read from the manager's engine, which pulls the image where it has to.
    type: dict
    default: {}
  networks:
    description:
      - The networks by name; each has C(driver_opts), C(internal), C(attachable), C(enable_ipv6), C(external) and
        C(name).
    type: dict
    default: {}
  configs:
    description: The contents of the configs by name.
    type: dict
    default: {}
  secrets:
    description:
      - Base64 of a JSON object with C(secrets) (values by name) and C(environment) (by service, the values of its
        secret variables).
    type: str
    default: ''
  only:
    description: Converge only these services, and remove nothing.
    type: list
    elements: str
    default: []
  commits:
    description: The Git commit of each service's image, for the release record.
    type: dict
    default: {}
  edge:
    description:
      - What the load balancers are given, C(routes), C(backends), C(ports) and C(snippets), for the release record, so
        that a rollback serves the same. No secrets are among it.
      - A difference from the newest record makes a release too.
    type: dict
  deadline:
    description: At most so many seconds for each service, if less than its own C(update.deadline).
    type: float
"""

EXAMPLES = r"""
- name: Run one web service
  longshore.stack.stack_services:
    stack: shop
    services: "{{ services }}"
    networks:
      default: {}
    lock_wait: 90
"""

RETURN = r"""
changes:
  description: Every change, made or in check mode predicted.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: One of V(service), V(network), V(config) and V(secret).
      type: str
    name:
      description: The service's name in the stack, or the object's name on the cluster.
      type: str
    action:
      description: One of V(create), V(update), V(scale) and V(remove).
      type: str
    fields:
      description: The fields that differ, each with C(path), C(before) and C(after).
      type: list
      elements: dict
release:
  description: The release that the stack is at afterwards.
  returned: success
  type: dict
  contains:
    number:
      description: Its number; 0 for none.
      type: int
    new:
      description: Whether this task made it.
      type: bool
services:
  description: For each service of the stack how many tasks are wanted and how many run.
  returned: success, not in check mode
  type: dict
degraded:
  description:
    - Explanations, by service, of what lacks tasks because a server that would fit is away. Swarm starts them when it
      is back.
  returned: success, not in check mode
  type: dict
notices:
  description: The same as a list. A run with notices ends degraded.
  returned: success, not in check mode
  type: list
  elements: str
serving:
  description: The names on the cluster of services that have tasks which their health check finds well.
  returned: success, not in check mode
  type: list
  elements: str
unresolved:
  description: Services whose image was not pinned by digest.
  returned: success
  type: list
  elements: str
lock_note:
  description: What had to be waited for, or was taken over, to get the stack's lock; else empty.
  returned: success
  type: str
locked:
  description: Who holds the lock.
  returned: failure because of another run
  type: dict
"""

import base64
import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import lease as locks
from ansible_collections.longshore.stack.plugins.module_utils import plan as plans
from ansible_collections.longshore.stack.plugins.module_utils import stack_module, standing, summary, swarm_state
from ansible_collections.longshore.stack.plugins.module_utils.converge import Converger
from ansible_collections.longshore.stack.plugins.module_utils.desired import Desired, Given, from_file
from ansible_collections.longshore.stack.plugins.module_utils.image_config import ImageConfigs, as_it_runs
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import AUTH_SPEC, by_registry
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import read_cluster_key
from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run

# Docker 25; engines before forget it, and every plan would find a difference.
START_INTERVAL_API = (1, 44)


def wanted(module: AnsibleModule, docker: Docker | None, state: swarm_state.State) -> tuple[Desired, list[str]]:
    """The desired stack, and all secret values."""
    given = module.params
    hidden = json.loads(base64.b64decode(given["secrets"])) if given["secrets"] else {}
    secrets, environments = hidden.get("secrets") or {}, hidden.get("environment") or {}
    credentials = hidden.get("credentials") or {}
    live = {name: spec for name in given["services"] if (spec := state.spec(name))}
    running = {name: spec["TaskTemplate"]["ContainerSpec"]["Image"] for name, spec in live.items()}
    logins = by_registry(given["registry_auth"])
    configs = ImageConfigs(docker, given["image_configs"], logins, module.check_mode, running)
    stack = Given(
        stack=given["stack"],
        services=given["services"],
        images=given["images"],
        networks=given["networks"],
        configs=given["configs"],
        secrets=secrets,
        environments=environments,
        credentials=credentials,
        commits=given["commits"],
        only=given["only"],
    )
    if docker is not None and docker.api < START_INTERVAL_API:
        for service in given["services"].values():
            (service["healthcheck"] or {}).pop("start_interval", None)
    desired = from_file(stack, _key(stack, module.check_mode), configs)
    for name in configs.unknown:
        if name in live:
            as_it_runs(given["services"][name], desired.services[name].spec, live[name])
    desired.edge = given["edge"]
    if given["deadline"]:
        for service in desired.services.values():
            service.settings["deadline"] = min(service.settings["deadline"], given["deadline"])
    named = (*environments.values(), *credentials.values())
    return desired, [*secrets.values(), *(value for names in named for value in names.values())]


def _key(given: Given, check_mode: bool) -> bytes:
    hashed = any(
        service["secrets"] or service["configs"] or service["secret_environment"] for service in given.services.values()
    )
    if not hashed:
        return b""
    try:
        return read_cluster_key(check_mode)
    except OSError as error:
        raise ValueError(f"the cluster's key can't be read on this manager: {error}") from error


def converge(module: AnsibleModule) -> dict[str, Any]:
    """Plan, and unless checking carry it out; the module's result."""
    stack = module.params["stack"]
    run = stack_module.run_of(module.params)
    docker = stack_module.connect(module.check_mode)
    state = swarm_state.read(docker, stack) if docker else swarm_state.State(stack)
    desired, secrets = wanted(module, docker, state)
    plan = plans.make(state, desired, stack_module.about(run))
    note = ""
    lacking: dict[str, str] = {}
    if docker is not None and not module.check_mode and must_write(state, plan, run):
        with stack_module.held(docker, stack, run, module.params["lock_wait"]) as lease:
            note = lease.note
            # What was read before the lock was held may be old.
            state = swarm_state.read(docker, stack)
            plan = plans.make(state, desired, stack_module.about(run))
            writer = Writer(docker, stack, lease.check, by_registry(module.params["registry_auth"]))
            converger = Converger(docker, writer, run, state=state, desired=desired, plan=plan, secrets=secrets)
            converger.apply()
            lacking = converger.lacking
    changes = plan.changes()
    images = {name: one.spec["TaskTemplate"]["ContainerSpec"]["Image"] for name, one in desired.services.items()}
    result: dict[str, Any] = {
        "changed": bool(changes),
        "changes": changes,
        "release": {"number": plan.number, "new": plan.record is not None},
        "unresolved": sorted(name for name, image in images.items() if "@" not in image),
        "lock_note": note,
    }
    if module._diff:
        result["diff"] = plan.diff()
    if docker is not None and not module.check_mode:
        alone = set(desired.services) - {change.name for change in plan.touched}
        broken, others = standing.unsettled(docker, run, state, sorted(alone), secrets)
        result["degraded"] = {**lacking, **others}
        result["notices"] = list(result["degraded"].values())
        now = swarm_state.read(docker, stack)
        found = result["services"] = summary.services(docker, now)
        names = {name: service["Spec"]["Name"] for name, service in now.services.items()}
        result["serving"] = [names[name] for name, its in found.items() if its["checked"] and its["running"]]
        if broken:
            done = "This run's changes are made and stay. " if changes else ""
            texts = "\n".join(broken.values())
            module.fail_json(msg=f"{done}What this run left alone does not run as wanted:\n{texts}", **result)
    return result


def must_write(state: swarm_state.State, plan: plans.Plan, run: Run) -> bool:
    """Whether the lock is needed: for changes, for what an earlier run began or left, and to wait for another run's
    end."""
    other = locks.holder(state.lock)
    return bool(plan.changes() or plan.touched or plan.record or state.jobs or (other and other["run"] != run.id))


def main() -> None:
    """Run the module."""
    module = QuietModule(
        argument_spec={
            **stack_module.STACK_SPEC,
            **stack_module.LOCK_SPEC,
            "services": {"type": "dict", "default": {}},
            "images": {"type": "dict", "default": {}},
            "image_configs": {"type": "dict", "default": {}},
            "networks": {"type": "dict", "default": {}},
            "configs": {"type": "dict", "default": {}},
            "secrets": {"type": "str", "default": "", "no_log": True},
            "registry_auth": AUTH_SPEC,
            "only": {"type": "list", "elements": "str", "default": []},
            "commits": {"type": "dict", "default": {}},
            "edge": {"type": "dict"},
            "deadline": {"type": "float"},
        },
        supports_check_mode=True,
    )
    with stack_module.results(module):
        module.exit_json(**converge(module))


if __name__ == "__main__":
    main()
