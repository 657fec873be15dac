#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: mariadb_instances
short_description: The instances of MariaDB on a server run with their configuration
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Starts instances, tells those that run what is new in their files, and on a primary makes the database and users.
  - Packages, files and units are there already; the role P(longshore.stack.mariadb#role) does all of it.
extends_documentation_fragment:
  - longshore.stack.rest
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: What is changed has no text, or is secret.
options:
  state:
    description:
      - V(present) starts what does not run, and has what runs take new settings without a restart where it can.
      - V(restarted) restarts what could not. A primary hands over first. For one server at a time, replicas first.
      - V(moved) moves the data that are to be elsewhere, most of them while they are in use. A primary hands over
        before it stops. For one server at a time, replicas first.
    type: str
    choices: [present, restarted, moved]
    default: present
  member:
    description: This server's name in its groups.
    type: str
    required: true
  instances:
    description: The instances, as the role P(longshore.stack.mariadb#role) takes them.
    type: list
    elements: dict
    required: true
  passwords:
    description:
      - Name of each instance to the passwords of its users. Those of C(owner) and C(reader) may take
        turns, as M(longshore.stack.credentials) has it. The user DATABASE_2 or DATABASE_reader_2 has every other turn.
    type: dict
    required: true
  settings:
    description:
      - Instance to what settings can change, as its file has it, but for what may be secret.
      - Given back, so that somebody can keep it.
    type: dict
    default: {}
  directories:
    description:
      - Instance to the directory in which its data are to be, on a disk of its own; others are below F(/var/lib).
      - V(present) makes the place of one that has no data yet. What else is to move is in RV(moves).
    type: dict
    default: {}
  deadline:
    description: Seconds until an instance must serve, a replica with its primary's data.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Run the instances
  longshore.stack.mariadb_instances:
    member: db1
    authority: /etc/longshore/mariadb/ca.crt
    certificate: /etc/longshore/mariadb/member.crt
    key: /etc/longshore/mariadb/member.key
    instances: "{{ mariadb_instances }}"
    passwords: "{{ mariadb_passwords }}"
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be done, a few words each.
  returned: success
  type: list
  elements: str
restart:
  description: Instances that need a restart for what their files say.
  returned: success
  type: list
  elements: str
roles:
  description: Instance to V(primary) or V(replica); empty where it does not run yet.
  returned: success
  type: dict
settings:
  description: What O(settings) says.
  returned: success
  type: dict
moves:
  description: Instances whose data are to be moved to another directory.
  returned: success
  type: list
  elements: str
kept:
  description: Where the former data of moved instances are.
  returned: success
  type: list
  elements: str
notices:
  description: Replicas on servers that are not of the group any more. A run with notices ends degraded.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.data_place import Place
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.mariadb_group import Member
from ansible_collections.longshore.stack.plugins.module_utils.rest import ARGUMENT_SPEC as REST
from ansible_collections.longshore.stack.plugins.module_utils.rest import Rest, RestError
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def converge(given: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    changes, due, moves, kept, roles, notices = [], [], [], [], {}, []
    for instance in given["instances"]:
        member = Member(instance, given["member"], Rest.of(given), work)
        place, directory = Place("mariadb", member.name, work), given["directories"].get(member.name, "")
        if given["state"] == "present":
            changes += [f"{member.name}: {change}" for change in place.present(directory, check)]
            made = member.converge(given["deadline"], given["passwords"][member.name], check)
            changes += [f"{member.name}: {change}" for change in made]
        elif given["state"] == "moved":
            if place.due(directory):
                changes.append(f"{member.name}: {place.move_in_words(directory, len(member.servers))}")
                if not check:
                    member.move(place, directory, given["deadline"])
        elif member.due():
            changes.append(f"{member.name}: restart")
            if not check:
                member.restart(given["deadline"])
        kept += place.kept
        if member.due():
            due.append(member.name)
        if place.due(directory):
            moves.append(member.name)
        roles[member.name] = member.role()
        # One that was only left out of the file goes on, and confirms commits where nobody looks for it.
        strangers = member.strangers()
        notices += [f"{each} is still a server of {member.name}: longshore db remove ends it" for each in strangers]
    told = {
        "restart": due,
        "moves": moves,
        "kept": kept,
        "roles": roles,
        "settings": given["settings"],
        "notices": notices,
    }
    return {"changed": bool(changes), "changes": changes, **told}


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "choices": ["present", "restarted", "moved"], "default": "present"},
            "member": {"type": "str", "required": True},
            **REST,
            "instances": {"type": "list", "elements": "dict", "required": True},
            "passwords": {"type": "dict", "required": True, "no_log": True},
            "settings": {"type": "dict", "default": {}, "no_log": False},
            "directories": {"type": "dict", "default": {}},
            "deadline": {"type": "int", "default": 3600},
            **RUN,
        },
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
