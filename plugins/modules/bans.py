#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bans
short_description: List, add or lift bans, and tell who tried what
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Speaks with the fail2ban that the role P(longshore.stack.fail2ban#role) runs.
attributes:
  check_mode:
    support: full
    description: Tells what would change.
  diff_mode:
    support: none
    description: The changes are told in words.
options:
  action:
    description:
      - V(list) tells who is banned; V(attacks) who tried what.
      - V(add) bans O(addresses) by hand, V(remove) lifts all bans of them, whatever they were for.
    type: str
    choices: [list, add, remove, attacks]
    default: list
  addresses:
    description: Addresses; with V(add), networks too. One that is never banned (C(fail2ban_ignore)) is refused.
    type: list
    elements: str
    default: []
  seconds:
    description: How long V(add) bans. V(-1) for ever.
    type: int
    default: 86400
  hours:
    description: How far back V(attacks) looks.
    type: int
    default: 24
"""

EXAMPLES = r"""
- name: Who is banned?
  longshore.stack.bans:

- name: Keep somebody out for a day
  longshore.stack.bans:
    action: add
    addresses: [192.0.2.7, 198.51.100.0/24]

- name: Let him in again
  longshore.stack.bans:
    action: remove
    addresses: [192.0.2.7]
"""

RETURN = r"""
bans:
  description:
    - Who is banned afterwards, each with C(address), C(jail), C(since) and C(until), in seconds since 1970. C(until) is
      null for a ban without end.
  returned: success, unless O(action=attacks)
  type: list
  elements: dict
attacks:
  description:
    - Who tried what, each with C(address), C(jail), C(target), C(attempts), C(bans), C(first) and C(last), in seconds
      since 1970.
  returned: success, with O(action=attacks)
  type: list
  elements: dict
changes:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
"""

import sqlite3

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import fail2ban_bans
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ARGUMENT_SPEC = {
    "action": {"type": "str", "choices": ["list", "add", "remove", "attacks"], "default": "list"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "seconds": {"type": "int", "default": 86400},
    "hours": {"type": "int", "default": 24},
}


def work(asked: Mapping[str, Any], check: bool) -> dict[str, Any]:
    if not fail2ban_bans.answers():
        raise HostError("fail2ban does not run on this server; `bans: true` in the stack file and `up` bring it")
    if asked["action"] == "attacks":
        return {"changed": False, "changes": [], "attacks": fail2ban_bans.attacks(asked["hours"])}
    networks = [fail2ban_bans.network(text) for text in asked["addresses"]]
    names = [fail2ban_bans.spelled(each) for each in networks]
    known = fail2ban_bans.known()
    changes = []
    if asked["action"] == "add":
        fail2ban_bans.refuse_spared(networks)
        for name in names:
            changes.append(f"ban {name}")
            if not check:
                fail2ban_bans.ban(name, asked["seconds"])
    elif asked["action"] == "remove":
        for name in [each for each in names if any(ban["address"] == each for ban in known)]:
            changes.append(f"lift the bans of {name}")
            if not check:
                fail2ban_bans.unban(name)
    after = known if check or not changes else fail2ban_bans.known()
    return {"changed": bool(changes), "changes": changes, "bans": after}


def main() -> None:
    module = AnsibleModule(ARGUMENT_SPEC, supports_check_mode=True)
    try:
        module.exit_json(**work(module.params, module.check_mode))
    except (HostError, sqlite3.Error, OSError, ValueError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
