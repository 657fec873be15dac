#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: haproxy_maintenance
short_description: Close a stack's routes on this server, and open them again
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Makes this server's HAProxy answer the requests of one stack with 503 and its page for the time of maintenance
    (O(longshore.stack.haproxy_config#module:pages)), but those of
    O(longshore.stack.haproxy_config#module:maintenance).
  - The running HAProxy is told over its socket, so nothing is reloaded. A reload and a restart keep what was told.
  - Requests that are under way are finished; ports that pass TCP on are left as they are.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: RV(changes) says it all.
options:
  stack:
    description: Whose routes.
    type: str
    required: true
  closed:
    description: Whether they are closed.
    type: bool
    required: true
"""

EXAMPLES = r"""
- name: Close the shop
  longshore.stack.haproxy_maintenance:
    stack: shop
    closed: true
"""

RETURN = r"""
changes:
  description: What was done, or would be in check mode, in a few words.
  returned: success
  type: list
  elements: str
  sample: [close shop]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import HaproxyError
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_pause import pause


def main() -> None:
    module = AnsibleModule(
        {"stack": {"type": "str", "required": True}, "closed": {"type": "bool", "required": True}},
        supports_check_mode=True,
    )
    try:
        changes = pause(module.params["stack"], module.params["closed"], module.check_mode)
    except HaproxyError as error:
        module.fail_json(msg="\n".join(error.errors), errors=error.errors)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'the host'}: {error.strerror or error}", errors=[str(error)])
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
