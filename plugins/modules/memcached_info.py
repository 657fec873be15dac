#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: memcached_info
short_description: What the instances of memcached on a server are now
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
  instances:
    description:
      - Those of this server, each with C(name), C(title) (what people call it), C(address), C(port) and C(tls).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: See how the caches are
  longshore.stack.memcached_info:
    instances: [{name: shop-sessions, title: sessions, address: 10.77.0.21, port: 11211, tls: true}]
"""

RETURN = r"""
instances:
  description:
    - By what people call it, C(role) (V(cache)), C(state) (V(running) or V(no answer)), C(version), C(size) (bytes that
      the values take), C(limit) (bytes that they may take), C(connections) and C(connections_limit).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.memcached import Memcached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def look(given: dict[str, Any]) -> dict[str, Any]:
    stats = Memcached(given).stats()
    if not stats:
        return {"role": "cache", "state": "no answer"}
    return {
        "role": "cache",
        "state": "running",
        "version": stats["version"],
        "size": int(stats["bytes"]),
        "limit": int(stats["limit_maxbytes"]),
        "connections": int(stats["curr_connections"]),
        "connections_limit": int(stats["max_connections"]),
    }


def main() -> None:
    module = AnsibleModule(
        {"instances": {"type": "list", "elements": "dict", "required": True}}, supports_check_mode=True
    )
    found = {each["title"]: look(each) for each in module.params["instances"]}
    module.exit_json(changed=False, instances=found)


if __name__ == "__main__":
    main()
