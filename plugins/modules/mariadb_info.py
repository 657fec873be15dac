#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: mariadb_info
short_description: What the instances of MariaDB on a server are now
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Asks the instances of this server and their promoters. Changes nothing.
extends_documentation_fragment:
  - longshore.stack.rest
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
options:
  member:
    description: This server's name in its groups.
    type: str
    required: true
  instances:
    description: The instances, as the role P(longshore.stack.mariadb#role) takes them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: See how the databases are
  longshore.stack.mariadb_info:
    member: db1
    authority: /etc/longshore/mariadb/ca.crt
    certificate: /etc/longshore/mariadb/member.crt
    key: /etc/longshore/mariadb/member.key
    instances: "{{ mariadb_instances }}"
"""

RETURN = r"""
instances:
  description:
    - By title or else name, C(role) (V(primary), V(replica) or empty), C(state), C(timeline) (how often there was a new
      primary), C(synchronous) (commits wait for it), C(lag) (seconds behind the primary; for replicas), C(version),
      C(size) (bytes of all databases), C(connections), C(connections_limit), C(free) and C(disk) (bytes of the file
      system with its data).
  returned: success
  type: dict
notices:
  description: What somebody should look at. A run with notices ends degraded.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import data_disk
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.mariadb_group import DATA, Member
from ansible_collections.longshore.stack.plugins.module_utils.rest import ARGUMENT_SPEC as REST
from ansible_collections.longshore.stack.plugins.module_utils.rest import Rest
from ansible_collections.longshore.stack.plugins.module_utils.run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FIGURES = """
select (select ifnull(sum(data_length + index_length), 0) from information_schema.tables where engine is not null),
  (select variable_value from information_schema.global_status where variable_name = 'threads_connected'),
  @@global.max_connections, @@global.version
"""


def look(rest: Rest, own: str, instance: Mapping[str, Any]) -> dict[str, Any]:
    member = Member(instance, own, rest, Run())
    told = member.state()
    seconds = told.get("seconds")
    found: dict[str, Any] = {
        "role": told.get("role", ""),
        "state": told.get("state") or "no answer",
        "timeline": told.get("term"),
        "synchronous": bool(told.get("synchronous")),
        "lag": None if seconds is None else f"{seconds} s",
        "why": told.get("why", ""),
        **data_disk.room(f"{DATA}/{instance['name']}"),
    }
    try:
        ((size, connections, limit, version),) = member.local.sql(FIGURES)
    except (HostError, ValueError):
        return found
    return {
        **found,
        "size": int(size),
        "connections": int(connections),
        "connections_limit": int(limit),
        "version": version.partition("-")[0],
    }


def main() -> None:
    module = AnsibleModule(
        {
            "member": {"type": "str", "required": True},
            **REST,
            "instances": {"type": "list", "elements": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    rest = Rest.of(given)
    found = {each.get("title") or each["name"]: look(rest, given["member"], each) for each in given["instances"]}
    module.exit_json(changed=False, instances=found, notices=data_disk.notices(found, given["member"]))


if __name__ == "__main__":
    main()
