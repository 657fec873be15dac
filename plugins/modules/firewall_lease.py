#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_lease
short_description: Open a port of this server's firewall for a while
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Lets one address, or everybody, reach a port beside what the rules of M(longshore.stack.firewall_rules) let in.
  - The kernel ends it when its time is over. It survives new rules, but no restart of the server.
  - What O(longshore.stack.firewall_rules#module:deny) keeps out stays out.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: There is no difference to be shown.
options:
  state:
    description:
      - V(present) opens the port, anew for O(seconds) if it is open; V(absent) closes it; V(listed) only tells.
    type: str
    choices: [present, absent, listed]
    default: present
  source:
    description: The address that is let in, or V(any). Empty is where the connection of the run comes from.
    type: str
    default: ""
  port:
    description: The port, as the client dials it. Not needed for V(listed).
    type: int
  protocol:
    description: Of the port.
    type: str
    choices: [tcp, udp]
    default: tcp
  seconds:
    description: How long it is open.
    type: int
    default: 1200
"""

EXAMPLES = r"""
- name: Let in who runs this, by SSH, for twenty minutes
  longshore.stack.firewall_lease:
    port: 22

- name: Close the database again
  longshore.stack.firewall_lease:
    state: absent
    source: 192.0.2.7
    port: 5432
"""

RETURN = r"""
leases:
  description: All that are open now, but not yet in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    from:
      description: The address, or V(any).
      type: str
    protocol:
      description: V(tcp) or V(udp).
      type: str
    port:
      description: The port.
      type: int
    seconds:
      description: How long it will be open.
      type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.firewall_leases import Lease, end, give, listed
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "choices": ["present", "absent", "listed"], "default": "present"},
            "source": {"type": "str", "default": ""},
            "port": {"type": "int"},
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
            "seconds": {"type": "int", "default": 1200},
        },
        required_if=[("state", "present", ["port"]), ("state", "absent", ["port"])],
        supports_check_mode=True,
    )
    asked = module.params
    changes = []
    try:
        known = listed()
        if asked["state"] != "listed":
            lease = Lease(asked["source"], asked["port"], asked["protocol"])
            words = f"{lease.port}/{lease.protocol} for {lease.source}"
            if asked["state"] == "present":
                if asked["seconds"] < 1:
                    raise ValueError("seconds: must be more than 0")
                changes = [f"open {words}, {asked['seconds']} s"]
            elif any(map(lease.matches, known)):
                changes = [f"close {words}"]
            if changes and not module.check_mode:
                if asked["state"] == "present":
                    give(lease, asked["seconds"])
                else:
                    end(lease)
                known = listed()
    except (HostError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(changes), changes=changes, leases=known)


if __name__ == "__main__":
    main()
