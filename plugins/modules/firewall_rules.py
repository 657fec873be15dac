#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_rules
short_description: Let in to this server what is listed, and nothing else
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Denies what comes to this server by any interface, by IPv4 and IPv6, to its own programs and to published ports of
    containers, unless a rule lets it in. A port is the one that the client dialled.
  - What its own containers send to the server is denied likewise. What they send elsewhere is not looked at.
  - The rules are one table of nftables, C(inet longshore), replaced in one transaction. No other rules are touched,
    neither Docker's nor those of another tool.
  - Each stack gives a piece, kept in C(/etc/longshore/<stack>/firewall.json); the pieces of all stacks make the rules.
    The server is protected as long as a stack wants it.
  - New rules are in force at once, and are taken back by themselves after O(revert_after) seconds unless the server is
    reached over a new connection. The task fails then, and the former rules are in force.
  - A unit loads the rules before there is a network. Every 15 seconds another one looks whether they are in force, and
    loads them again when somebody changed them.
  - What is needed so that connections work is always let in - answers, ICMP, IPv6's neighbours, DHCP.
extends_documentation_fragment:
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change. nft reads the new rules then, too.
  diff_mode:
    support: full
    description: Returns what is before and after each change, the rules in force among them.
options:
  stack:
    description: Whose piece this is.
    type: str
    required: true
  state:
    description: Whether the stack has a piece here. The last that wants the server protected takes the table with it.
    type: str
    choices: [present, absent]
    default: present
  enabled:
    description:
      - Whether this stack wants the server protected. If not, its piece says what it needs, for when another one does.
    type: bool
    default: true
  allow:
    description: Who is let in, and to what.
    type: list
    elements: dict
    default: []
    suboptions: &rule
      name:
        description: What it is for. nft shows it beside the rule.
        type: str
        default: ""
      from:
        description:
          - Addresses and networks, IPv4 and IPv6, and the word V(containers) for containers of this server.
          - Nobody means everybody, the server's own containers too; V(0.0.0.0/0) and V(::/0) everybody but these.
        type: list
        elements: str
        default: []
      ports:
        description: Ports, and ranges such as V(8000-8010). None means all.
        type: list
        elements: str
        default: []
      protocol:
        description: V(any) with ports is TCP and UDP; without it is everything.
        type: str
        choices: [tcp, udp, any, esp, vrrp]
        default: tcp
  deny:
    description: Who is kept out before anybody is let in, from connections that are there too.
    type: list
    elements: dict
    default: []
    suboptions: *rule
  settings:
    description: Of the firewall itself. Lists of several stacks are put together.
    type: dict
    default: {}
    suboptions:
      log:
        description: Whether the kernel's log tells what is denied, five packets a second at most.
        type: bool
        default: true
      strict_source:
        description:
          - Whether a packet is dropped that comes by another interface than answers to it would leave by. Else anybody
            may send as one of the servers. Turn it off where servers are reached by ways of which answers take another.
        type: bool
        default: true
      container_interfaces:
        description: Interfaces behind which containers are. V(*) at the end stands for the rest.
        type: list
        elements: str
        default: [docker0, docker_gwbridge, "br-*"]
      trusted_interfaces:
        description: Interfaces by which everything is let in, also what is on the way to elsewhere.
        type: list
        elements: str
        default: []
  revert_after:
    description: After so many seconds new rules are taken back that nobody confirmed, from 10 to 600.
    type: int
    default: 45
  phase:
    description: What is to be done. The action of this module asks for all but V(apply) by itself.
    type: str
    choices: [apply, confirm, revert]
    default: apply
"""

EXAMPLES = r"""
- name: Let in SSH, HTTP and, for one network, the database
  longshore.stack.firewall_rules:
    stack: shop
    allow:
      - {name: SSH, from: [0.0.0.0/0, "::/0"], ports: [22]}
      - {name: HTTP, ports: [80, 443]}
      - {name: database, from: [192.0.2.0/24, containers], ports: [5432]}
    deny:
      - {from: [203.0.113.7], protocol: any}

- name: Need nothing here any more
  longshore.stack.firewall_rules:
    stack: shop
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or would be in check mode, in a few words each.
  returned: success
  type: list
  elements: str
  sample: [load the rules, file /etc/longshore/firewall/rules.nft]
pending:
  description: Whether new rules wait to be confirmed.
  returned: success
  type: bool
confirmed:
  description: Whether new rules were confirmed over a new connection.
  returned: success
  type: bool
errors:
  description: Everything that is wrong, each with its place.
  returned: failure
  type: list
  elements: str
"""

import contextlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.firewall_converge import converge, take_back
from ansible_collections.longshore.stack.plugins.module_utils.firewall_model import (
    PROTOCOLS,
    SETTINGS,
    FirewallError,
    normalize,
)
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.host_lock import held
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

# Who is slower than that fails, and nobody waits for longer.
LEAST = 10
MOST = 600
WORDS = {"type": "list", "elements": "str", "default": []}
RULES = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "default": ""},
        "from": WORDS,
        "ports": WORDS,
        "protocol": {"type": "str", "choices": list(PROTOCOLS), "default": "tcp"},
    },
}
ARGUMENT_SPEC = {
    "stack": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "enabled": {"type": "bool", "default": True},
    "allow": RULES,
    "deny": RULES,
    "settings": {
        "type": "dict",
        "default": {},
        "options": {
            name: {"type": "bool", "default": default}
            if isinstance(default, bool)
            else {"type": "list", "elements": "str", "default": default}
            for name, default in SETTINGS.items()
        },
    },
    "revert_after": {"type": "int", "default": 45},
    "phase": {"type": "str", "choices": ["apply", "confirm", "revert"], "default": "apply"},
    **RUN,
}


def main() -> None:
    module = AnsibleModule(ARGUMENT_SPEC, supports_check_mode=True)
    asked = module.params
    try:
        work = Run.of(asked)
        if not LEAST <= asked["revert_after"] <= MOST:
            raise ValueError(f"revert_after: must be from {LEAST} to {MOST} seconds")
        fragment = None
        if asked["state"] == "present":
            rules = {"allow": asked["allow"], "deny": asked["deny"]}
            fragment = normalize(asked["stack"], rules, asked["settings"], asked["enabled"])
        with contextlib.nullcontext() if module.check_mode else held("firewall", work):
            if asked["phase"] == "revert":
                take_back()
                module.exit_json(changed=True, changes=["take the rules back"])
            result = converge(
                asked["stack"],
                fragment,
                module.check_mode,
                work,
                revert_after=asked["revert_after"],
                confirm=asked["phase"] == "confirm",
            )
    except FirewallError as error:
        module.fail_json(msg="\n".join(error.errors), errors=error.errors)
    except (HostError, ValueError) as error:
        module.fail_json(msg=str(error), errors=[str(error)])
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'the host'}: {error.strerror or error}", errors=[str(error)])
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
