#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_release
short_description: Bring a stack back to a recorded release
version_added: 0.1.0
author:
  - The Longshore founders (@longshore)
description:
  - Deploys the record of a release again, its images, environment, secrets and configuration together, in the way of
    M(longshore.stack.stack_services), and records that as a new release.
  - Commands under C(before_deploy) are not run.
  - Secrets and configs of the newest 20 releases are kept for this.
  - Credentials of databases are those of now, and not those of the release.
extends_documentation_fragment:
  - longshore.stack.stack
  - longshore.stack.stack.lock
  - longshore.stack.stack.attributes
  - longshore.stack.run
  - longshore.stack.registry_auth
options:
  number:
    description: The release. By default the one before the current.
    type: int
  current:
    description: Take the current release. What is new then are the credentials of databases.
    type: bool
    default: false
  credentials:
    description:
      - By database, C(user) and C(password), as JSON in Base64.
    type: str
    default: ''
  state:
    description: V(found) only tells what the release needs, and changes nothing.
    type: str
    choices: [rolled_back, found]
    default: rolled_back
"""

EXAMPLES = r"""
- name: Back to the release before
  longshore.stack.stack_release:
    stack: shop
    lock_wait: 90
"""

RETURN = r"""
changes:
  description: Every change, made or in check mode predicted; as in M(longshore.stack.stack_services).
  returned: success, not with O(state=found)
  type: list
  elements: dict
locked:
  description: Who holds the lock.
  returned: failure because of another run
  type: dict
release:
  description:
    - The release that the stack is at afterwards, with C(number), C(new), and C(of), the one brought back.
    - With O(state=found) only C(of).
  returned: success
  type: dict
images:
  description: By service, the image of the release, as M(longshore.stack.image_resolve) gives them.
  returned: with O(state=found)
  type: dict
edge:
  description: What the load balancers were given in the release, C(routes), C(backends) …; null when it does not say.
  returned: with O(state=found)
  type: dict
recorded:
  description: The images that kept releases name.
  returned: with O(state=found)
  type: list
  elements: str
notices:
  description: What is less than was asked for, and why. A run with notices ends degraded.
  returned: success
  type: list
  elements: str
degraded:
  description: As in M(longshore.stack.stack_services).
  returned: success, not in check mode
  type: dict
services:
  description: As in M(longshore.stack.stack_info).
  returned: success, not in check mode
  type: dict
lock_note:
  description: What had to be waited for, or was taken over, to get the stack's lock; else empty.
  returned: success
  type: str
"""

import base64
import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import (
    image_kept,
    stack_module,
    standing,
    summary,
    swarm_state,
)
from ansible_collections.longshore.stack.plugins.module_utils import plan as plans
from ansible_collections.longshore.stack.plugins.module_utils.converge import Converger
from ansible_collections.longshore.stack.plugins.module_utils.desired import Desired, from_record
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import AUTH_SPEC, by_registry
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import read_cluster_key
from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State


def chosen(state: State, given: Mapping[str, Any]) -> Desired:
    """The desired stack of release ``number``, or of the ``current`` one, with the databases' ``credentials``.

    Raises ``ValueError`` when it can't be brought back, saying why.
    """
    if given["current"] and not state.newest:
        raise ValueError(f"{state.stack} has no release yet: deploy it first")
    number = state.newest if given["current"] else given["number"]
    if number is None:
        older = [found for found in state.records if found < state.newest]
        if not older:
            raise ValueError(f"{state.stack} has no release before the current one ({state.newest or 'none'})")
        number = max(older)
    record = state.records.get(number)
    if record is None:
        there = ", ".join(str(found) for found in sorted(state.records)) or "none"
        raise ValueError(f"{state.stack} has no release {number} (kept are: {there})")
    credentials = json.loads(base64.b64decode(given["credentials"])) if given["credentials"] else {}
    desired = from_record(record, credentials, read_cluster_key(given["state"] == "found") if credentials else b"")
    if given["current"]:
        desired.kind, desired.partial = "credentials", True
    # Credentials come with their content, and are made where they are missing.
    secrets = {name for name, content in desired.secrets.items() if content is None}
    missing = [*sorted(secrets - set(state.secrets)), *sorted(set(desired.configs) - set(state.configs))]
    if missing:
        raise ValueError(f"release {number} can't be brought back: {', '.join(missing)} no longer exist")
    return desired


def find(module: AnsibleModule, docker: Docker) -> dict[str, Any]:
    """What the release needs; the module's result."""
    state = swarm_state.read(docker, module.params["stack"])
    desired = chosen(state, module.params)
    unsaid = f"release {desired.of} does not say which routes it had: the load balancers keep those that they have"
    return {
        "changed": False,
        "release": {"of": desired.of},
        "edge": desired.edge,
        "notices": [unsaid] if desired.edge is None else [],
        "images": {
            name: {"image": wanted.spec["TaskTemplate"]["ContainerSpec"]["Image"]}
            for name, wanted in desired.services.items()
        },
        "recorded": image_kept.recorded(state),
    }


def roll_back(module: AnsibleModule, docker: Docker) -> dict[str, Any]:
    """Plan, and unless checking carry it out; the module's result."""
    stack = module.params["stack"]
    run = stack_module.run_of(module.params)
    note = ""
    lacking: dict[str, str] = {}
    with stack_module.held_unless(module.check_mode, docker, stack, run, module.params["lock_wait"]) as lease:
        state = swarm_state.read(docker, stack)
        desired = chosen(state, module.params)
        plan = plans.make(state, desired, stack_module.about(run))
        if lease is not None:
            note = lease.note
            writer = Writer(docker, stack, lease.check, by_registry(module.params["registry_auth"]))
            converger = Converger(docker, writer, run, state=state, desired=desired, plan=plan)
            converger.apply()
            lacking = converger.lacking
    result: dict[str, Any] = {
        "changed": bool(plan.changes()),
        "changes": plan.changes(),
        "release": {"number": plan.number, "new": plan.record is not None, "of": desired.of},
        "lock_note": note,
    }
    if module._diff:
        result["diff"] = plan.diff()
    if not module.check_mode:
        alone = set(desired.services) - {change.name for change in plan.touched}
        broken, others = standing.unsettled(docker, run, state, sorted(alone))
        result["degraded"] = {**lacking, **others}
        result["notices"] = list(result["degraded"].values())
        result["services"] = summary.services(docker, swarm_state.read(docker, stack))
        if broken:
            done = "This run's changes are made and stay. " if plan.changes() else ""
            texts = "\n".join(broken.values())
            module.fail_json(msg=f"{done}What this run left alone does not run as wanted:\n{texts}", **result)
    return result


def main() -> None:
    """Run the module."""
    module = QuietModule(
        argument_spec={
            **stack_module.STACK_SPEC,
            **stack_module.LOCK_SPEC,
            "number": {"type": "int"},
            "current": {"type": "bool", "default": False},
            "credentials": {"type": "str", "default": "", "no_log": True},
            "state": {"type": "str", "choices": ["rolled_back", "found"], "default": "rolled_back"},
            "registry_auth": AUTH_SPEC,
        },
        supports_check_mode=True,
    )
    with stack_module.results(module):
        docker = stack_module.connect(check_mode=False)
        if docker is None:
            raise swarm_state.NotAManager("the Docker engine does not answer on this server")
        work = find if module.params["state"] == "found" else roll_back
        module.exit_json(**work(module, docker))


if __name__ == "__main__":
    main()
