#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_instances
short_description: Instances of PostgreSQL under Patroni, each as one of its group
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Starts this server's member of each group and waits until it serves, as primary or as a replica that follows.
  - On the primary, in the same call, what the whole group shares is converged - Patroni's dynamic configuration,
    restarts that settings need (replicas first, one at a time), the database with its roles and extensions.
  - Packages, F(/etc/patroni/NAME.yml) and the units are there already; the role P(longshore.stack.postgresql#role)
    does all of it.
  - Data are never removed by this module. It is Patroni that copies a replica's data anew when it must.
extends_documentation_fragment:
  - longshore.stack.rest
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: RV(changes) tells it.
options:
  state:
    description:
      - V(present) has them serve with what the files say.
      - V(restarted) restarts what runs a program that was replaced by a newer one, or without its huge pages. For one
        server at a time.
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
    description: The instances of this server.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The instance's name, which is that of its group too.
        type: str
        required: true
      version:
        description: PostgreSQL's major version.
        type: str
        required: true
      port:
        description: PostgreSQL's port.
        type: int
        required: true
      health_port:
        description: Port of Patroni's REST interface, the same on all servers.
        type: int
        required: true
      servers:
        description:
          - Name and address of all members. The first makes the database when there is none yet; others wait for it.
        type: list
        elements: dict
        required: true
      dynamic:
        description: What all members share, in Patroni's words. What is not named stays.
        type: dict
        default: {}
      text:
        description: Passed over, so that what P(longshore.stack.patroni_configs#filter) gives can stand here.
        type: str
        default: ''
      settings:
        description: What settings can change. Given back, so that somebody can keep it.
        type: dict
        default: {}
      database:
        description: The logical database, whose owner is a role of the same name.
        type: str
        required: true
      also:
        description: More logical databases, each with an owner and a reader.
        type: list
        elements: str
        default: []
      passwords:
        description:
          - Those of the roles C(owner), C(reader) and C(monitor), and in C(also), by logical database, those of
            C(owner) and C(reader); others are passed over.
          - Those of C(owner) and C(reader) may take turns, as M(longshore.stack.credentials) has it. The role
            DATABASE_2, which acts as the owner, has every other turn, or DATABASE_reader_2, a member of the reader's.
        type: dict
        required: true
      extensions:
        description: Extensions of the database.
        type: list
        elements: str
        default: []
  directories:
    description:
      - Instance to the directory in which its data are to be, on a disk of its own; others are below F(/var/lib).
      - V(present) makes the place of one that has no data yet. What else is to move is in RV(moves).
    type: dict
    default: {}
  huge_pages:
    description:
      - Instances whose shared memory is to be in huge pages. As many are reserved as PostgreSQL says that it needs, for
        all instances of the server together, and taken back when none is named any more.
    type: list
    elements: str
    default: []
  present:
    description: Members whose servers this run has reached. They are waited for; others may be away.
    type: list
    elements: str
    default: []
  reloaded:
    description: Whether the configuration has just changed, so that a restart may turn out to be due.
    type: bool
    default: false
  patience:
    description: Seconds until a member must serve.
    type: int
    default: 180
  deadline:
    description: Seconds for a member that copies the primary's data.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Run the database
  longshore.stack.postgresql_instances:
    member: db1
    authority: /etc/longshore/postgresql/ca.crt
    certificate: /etc/longshore/postgresql/member.crt
    key: /etc/longshore/postgresql/member.key
    instances:
      - name: shop-main
        version: "17"
        port: 5432
        health_port: 8008
        servers: [{name: db1, address: 192.0.2.21}, {name: db2, address: 192.0.2.22}]
        database: main
        passwords: "{{ passwords }}"
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be done, a few words each.
  returned: success
  type: list
  elements: str
restart:
  description: Instances whose program was replaced by a newer one since they were started, or that lack huge pages.
  returned: success
  type: list
  elements: str
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
roles:
  description: Instance to V(primary) or V(replica); empty where it does not run yet.
  returned: success
  type: dict
settings:
  description: Instance to what settings can change, as O(instances[].settings) has it, but for what may be secret.
  returned: success
  type: dict
notices:
  description: Members that do not answer or do not follow, or have no huge pages. A run with notices ends degraded.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.postgresql_group import converge
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.rest import ARGUMENT_SPEC as REST
from ansible_collections.longshore.stack.plugins.module_utils.rest import RestError
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

INSTANCE = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "health_port": {"type": "int", "required": True},
    "servers": {"type": "list", "elements": "dict", "required": True},
    "dynamic": {"type": "dict", "default": {}},
    "text": {"type": "str", "default": ""},
    "settings": {"type": "dict", "default": {}},
    "database": {"type": "str", "required": True},
    "also": {"type": "list", "elements": "str", "default": []},
    "passwords": {"type": "dict", "required": True, "no_log": True},
    "extensions": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = QuietModule(
        {
            "state": {"type": "str", "choices": ["present", "restarted", "moved"], "default": "present"},
            "member": {"type": "str", "required": True},
            **REST,
            "instances": {"type": "list", "elements": "dict", "required": True, "options": INSTANCE},
            "directories": {"type": "dict", "default": {}},
            "huge_pages": {"type": "list", "elements": "str", "default": []},
            "present": {"type": "list", "elements": "str", "default": []},
            "reloaded": {"type": "bool", "default": False},
            "patience": {"type": "int", "default": 180},
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
