#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_former
short_description: Data of databases that nothing uses any more
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Finds what a server keeps of a stack's databases beside their data - what was there before an upgrade, a move or a
    copy of the primary's data, and what databases have left that are on this server no longer and have ended.
  - Removes what O(remove) names, and nothing else.
  - Data on a disk of their own are not looked for.
extends_documentation_fragment:
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: RV(changes) tells it.
options:
  stack:
    description: The stack's name, with which the names of its instances begin.
    type: str
    required: true
  using:
    description: Engine to the instances that are to be on this server. Their data are never meant.
    type: dict
    required: true
  remove:
    description: Paths to remove. One that is there, but not among what is kept, is an error before anything goes.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: See what is kept
  longshore.stack.database_former:
    stack: shop
    using: {postgresql: [shop-main]}
"""

RETURN = r"""
instances:
  description:
    - Database to C(former), a list of C(path), C(why) and C(bytes) on the disk, as it was before anything was removed.
  returned: success
  type: dict
changes:
  description: The paths that were removed.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.former_data import FormerData
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def told(found: list[dict[str, Any]], stack: str) -> dict[str, dict[str, Any]]:
    """By database, as ``RETURN`` has it."""
    known: dict[str, dict[str, Any]] = {}
    for each in found:
        name = each["instance"][len(stack) + 1 :]
        known.setdefault(name, {"former": []})["former"].append({key: each[key] for key in ("path", "why", "bytes")})
    return known


def main() -> None:
    module = AnsibleModule(
        {
            "stack": {"type": "str", "required": True},
            "using": {"type": "dict", "required": True},
            "remove": {"type": "list", "elements": "path", "default": []},
            **RUN,
        },
        supports_check_mode=True,
    )
    given = module.params
    kept = FormerData(given["stack"], given["using"])
    try:
        instances = told(kept.find(), given["stack"])
        removed = [f"remove {path}" for path in kept.remove(given["remove"], Run.of(given), module.check_mode)]
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True)
    module.exit_json(changed=bool(removed), changes=removed, instances=instances)


if __name__ == "__main__":
    main()
