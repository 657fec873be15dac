#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: mariadb_order
short_description: Tell a group of MariaDB servers to change
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Has another server become primary, copies a replica anew or ends one, and waits for the end.
extends_documentation_fragment:
  - longshore.stack.rest
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: RV(before) and RV(after) tell it.
options:
  member:
    description: This server's name in its groups.
    type: str
    required: true
  instance:
    description: The instance, as the role P(longshore.stack.mariadb#role) takes it.
    type: dict
    required: true
  order:
    description:
      - V(switchover) makes O(server), or without one the replica that is least behind, the primary. Nothing is lost.
      - V(promote) makes O(server), which has to be this one, primary where there is none. What only the lost one
        has is lost.
      - V(resync), on O(server), puts its data aside and copies the primary's.
      - V(remove) ends the replica on O(server), which has to be this one. Its data stay there.
      - V(forget) has no other server wait for O(server), which is lost for good. Refused while it answers.
    type: str
    choices: [switchover, promote, resync, remove, forget]
    required: true
  server:
    description: The server that is meant. Empty for the best one, for V(switchover).
    type: str
    default: ''
  deadline:
    description: Seconds until a copy must be there.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Have another server become primary
  longshore.stack.mariadb_order:
    member: db1
    authority: /etc/longshore/mariadb/ca.crt
    certificate: /etc/longshore/mariadb/member.crt
    key: /etc/longshore/mariadb/member.key
    instance: "{{ mariadb_instances[0] }}"
    order: switchover
"""

RETURN = r"""
before:
  description: The primary's server before; empty for none.
  returned: success
  type: str
after:
  description: The primary's server afterwards.
  returned: success
  type: str
seconds:
  description: How long it took.
  returned: success
  type: float
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.mariadb_group import Member
from ansible_collections.longshore.stack.plugins.module_utils.rest import ARGUMENT_SPEC as REST
from ansible_collections.longshore.stack.plugins.module_utils.rest import Rest, RestError
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def give(given: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    member = Member(given["instance"], given["member"], Rest.of(given), work)
    order, server = given["order"], given["server"]
    if server and server not in member.servers:
        raise HostError(f"{server} is no server of {member.name}: there are {', '.join(member.servers)}")
    before = after = member.primary()
    refuse(member.name, order, server, before)
    if order in ("switchover", "promote") and server and server == before:
        return {"changed": False, "before": before, "after": before, "seconds": 0.0}
    if order == "forget" and member.state(server):
        raise HostError(f"the MariaDB of {server} answers, so it is not lost")
    began = time.monotonic()
    if not check:
        if order == "remove":
            member.leave()
        elif order == "forget":
            member.forget(server)
        elif order == "resync":
            member.copy_anew(given["deadline"])
        else:
            after = member.order(order, server)
    return {"changed": True, "before": before, "after": after, "seconds": round(time.monotonic() - began, 2)}


def refuse(name: str, order: str, server: str, primary: str) -> None:
    """Raise ``HostError`` for what must not be asked."""
    if order == "switchover" and not primary:
        raise HostError(f"{name} has no primary that could hand over; if it is lost for good: longshore db promote")
    if order == "promote" and primary and server != primary:
        raise HostError(f"{name} has a primary, {primary}; let it hand over: longshore db switchover")
    if order == "resync" and server == primary:
        raise HostError(f"{server} is the primary of {name}: its data are what the others copy")
    if order == "remove" and server == primary:
        raise HostError(f"{server} is the primary of {name}; let it hand over first: longshore db switchover")
    if order == "forget" and not primary:
        raise HostError(f"{name} has no primary; have one of those that are left become it first: longshore db promote")
    if order == "forget" and server == primary:
        raise HostError(f"{server} is the primary of {name}, so it is not lost")
    if order == "resync" and not primary:
        raise HostError(f"{name} has no primary whose data could be copied")


def main() -> None:
    module = AnsibleModule(
        {
            "member": {"type": "str", "required": True},
            **REST,
            "instance": {"type": "dict", "required": True},
            "order": {
                "type": "str",
                "choices": ["switchover", "promote", "resync", "remove", "forget"],
                "required": True,
            },
            "server": {"type": "str", "default": ""},
            "deadline": {"type": "int", "default": 3600},
            **RUN,
        },
        required_if=[("order", order, ["server"]) for order in ("promote", "resync", "remove", "forget")],
        supports_check_mode=True,
    )
    try:
        result = give(module.params, module.check_mode, Run.of(module.params))
    except (HostError, RestError, ValueError) as error:
        module.fail_json(msg=str(error))
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
