#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member
short_description: A server's membership in an etcd cluster
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Tells whether this server is a member and whom it knows, makes it one, or restarts it.
  - Package, configuration and unit are there already; the role P(longshore.stack.etcd#role) does all of it.
extends_documentation_fragment:
  - longshore.stack.rest
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: A membership has no text.
options:
  state:
    description:
      - V(seen) changes nothing but that a member that does not run is started.
      - V(founded) starts a new cluster of O(members), on all of them at once.
      - V(joined) makes the server a member of the cluster in which one of O(members) answers. For one server at a time.
      - V(restarted) restarts it and waits until it serves. For one server at a time.
      - V(forgotten) has the cluster count the member O(lost) no more, which must not answer.
    type: str
    choices: [seen, founded, joined, restarted, forgotten]
    default: seen
  name:
    description: The member's name.
    type: str
    required: true
  address:
    description: The address by which the others reach it.
    type: str
    required: true
  lost:
    description: Name of a member that is lost for good, for O(state=forgotten).
    type: str
    default: ''
  members:
    description: Name and address of those that found a cluster, or may know it.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: See who is a member
  longshore.stack.etcd_member:
    name: "{{ inventory_hostname }}"
    address: 10.77.0.11
    authority: /etc/longshore/etcd/ca.crt
    certificate: /etc/longshore/etcd/tls.crt
    key: /etc/longshore/etcd/tls.key
"""

RETURN = r"""
name:
  description: The member's name, as it was given.
  returned: success
  type: str
joined:
  description: Whether this server holds a member's data.
  returned: success
  type: bool
members:
  description: Name and address of the members that this one knows. Empty when it does not answer.
  returned: success
  type: dict
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import etcd_membership as etcd
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.host_change import run as run_program
from ansible_collections.longshore.stack.plugins.module_utils.rest import ARGUMENT_SPEC as REST
from ansible_collections.longshore.stack.plugins.module_utils.rest import Rest, RestError
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Seconds. It answers what it knows without the others.
STARTING = 20.0


def converge(wanted: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    rest = Rest.of(wanted)
    address, state = wanted["address"], wanted["state"]
    here = etcd.joined()
    changed = False
    if state in ("founded", "joined") and not here:
        changed = True
        if not check:
            if state == "founded":
                etcd.start(wanted["members"], "new")
            else:
                join(wanted, rest)
            etcd.await_health(rest, address, work)
    elif state == "forgotten":
        changed = here and etcd.forget(rest, address, wanted["lost"], check)
    elif state == "restarted":
        changed = True
        if not check:
            run_program(["systemctl", "restart", "--no-block", etcd.UNIT])
            etcd.await_health(rest, address, work)
    elif here and not (etcd.running() and etcd.enabled()):
        changed = True
        if not check:
            # Whoever was ended for good, and is wanted again, also comes back after a restart of its server.
            run_program(["systemctl", "enable", etcd.UNIT])
            run_program(["systemctl", "start", "--no-block", etcd.UNIT])
    found = known(rest, address, work, check) if etcd.joined() else []
    return {
        "changed": changed,
        "name": wanted["name"],
        "joined": etcd.joined(),
        "members": {each["name"]: etcd.address_of(each["peer"]) for each in found if each["name"]},
    }


def known(rest: Rest, address: str, work: Run, check: bool) -> list[dict[str, str]]:
    """The members that this one knows; one that has just been started is waited for. Empty when it says nothing."""
    until = time.monotonic() + (0.0 if check else STARTING)
    while True:
        _address, found = etcd.first_answer(rest, [address])
        if found or time.monotonic() >= until:
            return found
        work.wait(0.3)


def join(wanted: dict[str, Any], rest: Rest) -> None:
    others = [address for name, address in wanted["members"].items() if name != wanted["name"]]
    speaker, _known = etcd.first_answer(rest, others)
    if not speaker:
        raise HostError(f"no member of the cluster answers, of {', '.join(others)}")
    etcd.start(etcd.announce(rest, speaker, wanted["name"], wanted["address"]), "existing")


def main() -> None:
    module = AnsibleModule(
        {
            "state": {
                "type": "str",
                "choices": ["seen", "founded", "joined", "restarted", "forgotten"],
                "default": "seen",
            },
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "lost": {"type": "str", "default": ""},
            "members": {"type": "dict", "default": {}},
            **REST,
            **RUN,
        },
        required_if=[("state", "forgotten", ["lost"])],
        supports_check_mode=True,
    )
    try:
        result = converge(module.params, module.check_mode, Run.of(module.params))
    except (HostError, RestError, ValueError) as error:
        module.fail_json(msg=str(error))
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
