#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: valkey_info
short_description: What the instances of Valkey on a server are now
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Asks the instances of this server. Changes nothing.
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
    description: Name of each to what people call it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: See how the databases are
  longshore.stack.valkey_info:
    member: db1
    instances: {shop-cache: cache}
"""

RETURN = r"""
instances:
  description:
    - By what people call it, C(role) (V(primary), V(replica) or empty), C(state), C(lag) (bytes behind the primary; for
      replicas), C(version), C(size) (bytes of memory that the data take), C(connections), C(connections_limit), C(free)
      and C(disk) (bytes of the file system with its data).
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
from ansible_collections.longshore.stack.plugins.module_utils.run import Run
from ansible_collections.longshore.stack.plugins.module_utils.valkey_cli import follows, is_primary
from ansible_collections.longshore.stack.plugins.module_utils.valkey_group import DATA, Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def look(name: str) -> dict[str, Any]:
    member = Member(name, Run())
    info = member.valkey.info()
    room = data_disk.room(f"{DATA}/{name}")
    if not info:
        return {"role": "", "state": "no answer", **room}
    primary = is_primary(info)
    return {
        **room,
        "role": "primary" if primary else "replica",
        "state": "running" if primary else "streaming" if follows(info) else "copying",
        "lag": None if primary else member.behind(),
        "version": info["valkey_version"],
        "size": int(info["used_memory_dataset"]),
        "connections": int(info["connected_clients"]),
        "connections_limit": int(info["maxclients"]),
    }


def main() -> None:
    spec = {"member": {"type": "str", "required": True}, "instances": {"type": "dict", "required": True}}
    module = AnsibleModule(spec, supports_check_mode=True)
    found = {title: look(name) for name, title in module.params["instances"].items()}
    module.exit_json(changed=False, instances=found, notices=data_disk.notices(found, module.params["member"]))


if __name__ == "__main__":
    main()
