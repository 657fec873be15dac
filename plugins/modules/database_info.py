#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_info
short_description: What the instances of PostgreSQL on a server are now
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Asks Patroni and PostgreSQL of this server. Changes nothing.
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
    description: The instances, as the role P(longshore.stack.postgresql#role) takes them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: See how the databases are
  longshore.stack.database_info:
    member: db1
    authority: /etc/longshore/postgresql/ca.crt
    certificate: /etc/longshore/postgresql/member.crt
    key: /etc/longshore/postgresql/member.key
    instances: "{{ postgresql_instances }}"
"""

RETURN = r"""
instances:
  description:
    - By title or else name, C(role) (V(primary), V(replica) or empty), C(state), C(timeline), C(synchronous) (a commit
      waits for it), C(lag) (bytes behind the primary; for replicas), C(pending_restart), C(version), C(size) (bytes of
      all databases), C(connections) and C(connections_limit).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.patroni import PRIMARY, Group
from ansible_collections.longshore.stack.plugins.module_utils.postgresql_sql import Instance
from ansible_collections.longshore.stack.plugins.module_utils.rest import ARGUMENT_SPEC as REST
from ansible_collections.longshore.stack.plugins.module_utils.rest import Rest, RestError
from ansible_collections.longshore.stack.plugins.module_utils.run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FIGURES = """
select (select sum(pg_database_size(oid)) from pg_database),
  (select count(*) from pg_stat_activity where backend_type = 'client backend'),
  current_setting('max_connections'), current_setting('server_version')
"""


def look(rest: Rest, member: str, instance: Mapping[str, Any]) -> dict[str, Any]:
    servers = {each["name"]: each["address"] for each in instance["servers"]}
    group = Group(rest, servers, instance["health_port"], Run())
    own = group.of(member)
    known = group.cluster().get(member, {})
    role = str(own.get("role") or "")
    found: dict[str, Any] = {
        "role": "primary" if role in PRIMARY else role,
        "state": str(known.get("state") or own.get("state") or "no answer"),
        "timeline": known.get("timeline") or own.get("timeline"),
        "synchronous": known.get("role") in ("sync_standby", "quorum_standby"),
        "lag": known.get("lag"),
        "pending_restart": bool(own.get("pending_restart")),
    }
    try:
        size, connections, limit, version = Instance(instance["port"]).sql(FIGURES).split("|")
    except HostError:
        return found
    return {
        **found,
        "size": int(size),
        "connections": int(connections),
        "connections_limit": int(limit),
        "version": version.split()[0],
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
    try:
        found = {each.get("title") or each["name"]: look(rest, given["member"], each) for each in given["instances"]}
    except RestError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, instances=found)


if __name__ == "__main__":
    main()
