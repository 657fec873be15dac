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
      all databases), C(connections), C(connections_limit), C(unsent) (bytes of a primary's log that can't be sent to
      its backups; 0 when the last try went well), C(free) and C(disk) (bytes of the file system with its data).
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
from ansible_collections.longshore.stack.plugins.module_utils.patroni import PRIMARY, SYNCHRONOUS, Group
from ansible_collections.longshore.stack.plugins.module_utils.postgresql_group import BASE
from ansible_collections.longshore.stack.plugins.module_utils.postgresql_sql import Instance
from ansible_collections.longshore.stack.plugins.module_utils.rest import ARGUMENT_SPEC as REST
from ansible_collections.longshore.stack.plugins.module_utils.rest import Rest, RestError
from ansible_collections.longshore.stack.plugins.module_utils.run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# A replica sends nothing, so its statistics of that are empty.
FIGURES = """
select (select sum(pg_database_size(oid)) from pg_database),
  (select count(*) from pg_stat_activity where backend_type = 'client backend'),
  current_setting('max_connections'), current_setting('server_version'),
  (select case when last_failed_time > coalesce(last_archived_time, '-infinity') then
     (select count(*) * pg_size_bytes(current_setting('wal_segment_size'))
      from pg_ls_archive_statusdir() where name like '%.ready')
   else 0 end from pg_stat_archiver)
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
        "synchronous": known.get("role") in SYNCHRONOUS,
        "lag": known.get("lag"),
        "pending_restart": bool(own.get("pending_restart")),
        **data_disk.room(f"{BASE}/{instance['version']}/{instance['name']}"),
    }
    try:
        size, connections, limit, version, unsent = Instance(instance["port"]).sql(FIGURES).split("|")
    except HostError:
        return found
    return {
        **found,
        "size": int(size),
        "connections": int(connections),
        "connections_limit": int(limit),
        "version": version.split()[0],
        "unsent": int(unsent) if role in PRIMARY else 0,
    }


def notices(found: Mapping[str, Mapping[str, Any]], member: str) -> list[str]:
    """What somebody should look at."""
    unsent = [
        f"{name}: the log of {member} can't be sent to where its backups are kept; {each['unsent'] >> 20} MB of it are "
        "on the disk now. PostgreSQL's log has the reason"
        for name, each in found.items()
        if each.get("unsent")
    ]
    return unsent + data_disk.notices(found, member)


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
    module.exit_json(changed=False, instances=found, notices=notices(found, given["member"]))


if __name__ == "__main__":
    main()
