#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_lock
short_description: Take, give back, break a stack's lock, or cancel a run
version_added: 0.1.0
author:
  - The Longshore founders (@longshore)
description:
  - The lock is a lease of 60 seconds that a module renews while it works, so it ends by itself when its run dies.
  - M(longshore.stack.stack_services) and the others take it themselves; this module is for holding it over several
    tasks, each of
    which must start within 60 seconds of the end of the one before, and for operators.
extends_documentation_fragment:
  - longshore.stack.stack
  - longshore.stack.stack.lock
  - longshore.stack.stack.attributes
  - longshore.stack.run
options:
  state:
    description:
      - V(taken) takes the lock for O(run), or renews it.
      - V(released) gives it back if O(run) holds it.
      - V(cancelled) tells the modules of O(run) on this server to stop at their next safe point.
      - V(absent) breaks the lock, whoever holds it; the run that held it stops before its next write. It needs
        O(run.reason).
    type: str
    choices: [taken, released, cancelled, absent]
    default: taken
"""

EXAMPLES = r"""
- name: Break the lock of a run that nobody can reach
  longshore.stack.stack_lock:
    stack: shop
    state: absent
    run: {id: r2, owner: ann, reason: "the laptop of bob fell into the harbour"}
"""

RETURN = r"""
holder:
  description: Who held the lock before, with C(run), C(owner), C(reason), C(since), C(expires); empty when nobody did.
  returned: success
  type: dict
lock_note:
  description: What had to be waited for, or was taken over; else empty.
  returned: success
  type: str
locked:
  description: Who holds the lock.
  returned: failure because of another run
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import lease as locks
from ansible_collections.longshore.stack.plugins.module_utils import stack_module
from ansible_collections.longshore.stack.plugins.module_utils.run import CANCEL_MARKS
from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def cancel(module: AnsibleModule) -> dict[str, Any]:
    """Set the cancel mark of the run on this server; it needs no engine."""
    run = stack_module.run_of(module.params)
    if not module.params["run"].get("id"):
        raise ValueError("state cancelled needs run.id: the run to cancel")
    mark = os.path.join(CANCEL_MARKS, run.id)
    changed = not os.path.exists(mark)
    if changed and not module.check_mode:
        os.makedirs(CANCEL_MARKS, mode=0o755, exist_ok=True)
        with open(mark, "w"):
            pass
    return {"changed": changed, "holder": {}, "lock_note": ""}


def lock(module: AnsibleModule) -> dict[str, Any]:
    """Bring the lock into the wanted state; the module's result."""
    stack, state = module.params["stack"], module.params["state"]
    run = stack_module.run_of(module.params)
    docker = stack_module.connect(module.check_mode)
    if docker is None:
        return {"changed": state == "taken", "holder": {}, "lock_note": ""}
    found = locks.read(docker, stack)
    holder = locks.holder(found)
    mine = holder is not None and holder["run"] == run.id
    result: dict[str, Any] = {"holder": holder or {}, "lock_note": ""}
    if state == "absent":
        if not run.reason:
            raise ValueError("breaking a lock needs run.reason: say why, the run that holds it will be stopped")
        if found is not None and not module.check_mode:
            Writer(docker, stack, run.check, {}).remove(f"/configs/{found['ID']}")
        return {**result, "changed": found is not None}
    if state == "released":
        if mine and found is not None and not module.check_mode:
            # A run that was cancelled may write no more, but its lock is to go.
            Writer(docker, stack, lambda: None, {}).remove(f"/configs/{found['ID']}")
        return {**result, "changed": mine}
    if module.check_mode:
        if holder is not None and not mine:
            raise locks.Locked(stack, holder)
    else:
        lease = locks.Lease(docker, stack, run)
        lease.take(module.params["lock_wait"])
        lease.leave()
        result["lock_note"] = lease.note
    return {**result, "changed": not mine}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **stack_module.STACK_SPEC,
            **stack_module.LOCK_SPEC,
            "state": {
                "type": "str",
                "choices": ["taken", "released", "cancelled", "absent"],
                "default": "taken",
            },
        },
        supports_check_mode=True,
    )
    with stack_module.results(module):
        module.exit_json(**(cancel(module) if module.params["state"] == "cancelled" else lock(module)))


if __name__ == "__main__":
    main()
