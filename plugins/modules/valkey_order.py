#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: valkey_order
short_description: Another primary of a group of Valkey servers, a replica that is copied anew or ends
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Changes who is who in a group. What a run of the role P(longshore.stack.valkey#role) does not do by itself.
extends_documentation_fragment:
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: What is changed has no text, or is secret.
options:
  order:
    description:
      - V(switchover), on the primary, has O(address) become primary. Nothing is lost.
      - V(promote), on a replica, makes it primary where there is none. What only the lost one has is lost.
      - V(resync), on a replica, puts its data aside and copies the primary's.
      - V(remove), on a replica, ends it, and has the Sentinels forget it. Its data stay.
    type: str
    choices: [switchover, promote, resync, remove]
    required: true
  instance:
    description: Its name.
    type: str
    required: true
  address:
    description: The address of the server that is meant; empty for the best replica.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Have another server become primary
  longshore.stack.valkey_order:
    order: switchover
    instance: shop-cache
"""

RETURN = r"""
primary:
  description: For V(switchover), the address of the primary, if this server was the one before; else empty.
  returned: success
  type: str
concerned:
  description: Whether the order was this server's to carry out.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run
from ansible_collections.longshore.stack.plugins.module_utils.valkey_cli import is_primary
from ansible_collections.longshore.stack.plugins.module_utils.valkey_group import Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def carry_out(given: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    member = Member(given["instance"], work)
    order = given["order"]
    told = {"changed": True, "concerned": True, "primary": ""}
    if order == "switchover":
        if not is_primary(member.valkey.info("replication")):
            return {**told, "changed": False, "concerned": False}
        return {**told, "primary": given["address"] if check else member.hand_over(given["address"])}
    if order == "promote":
        return {**told, "changed": member.promote(check)}
    if order == "resync":
        member.copy_anew(check)
    elif not check:
        member.leave()
    return told


def main() -> None:
    module = AnsibleModule(
        {
            "order": {"type": "str", "choices": ["switchover", "promote", "resync", "remove"], "required": True},
            "instance": {"type": "str", "required": True},
            "address": {"type": "str", "default": ""},
            **RUN,
        },
        supports_check_mode=True,
    )
    try:
        result = carry_out(module.params, module.check_mode, Run.of(module.params))
    except (HostError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
