#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: data_directory
short_description: The places of databases' data on disks of their own
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Makes the place of an instance that has no data yet, and binds it to the path where its programs find data.
  - Fails before anything is written when data that are there are not mounted, and when a directory is not fit for data
    or too small for those that are to move there. Data that are elsewhere stay where they are - the modules of the
    engines move them.
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
  engine:
    description: Of what these are instances.
    type: str
    choices: [postgresql, mariadb, redis, rabbitmq]
    required: true
  instances:
    description:
      - The instances of this server, each with its C(name), C(version) and C(directory), as the roles take them. Those
        without a directory are passed over.
    type: list
    elements: dict
    required: true
  paths_refused:
    description: Paths beside which nothing is done, each with the reason. One that is there is an error.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Make the place of the database's data
  longshore.stack.data_directory:
    engine: postgresql
    instances:
      - {name: shop-main, version: "17", directory: /mnt/fast}
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be done, a few words each.
  returned: success
  type: list
  elements: str
kept:
  description: Where the former data of instances are whose move was finished.
  returned: success
  type: list
  elements: str
notices:
  description: Directories without a disk of their own that are about to get data. A run with notices ends degraded.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.data_place import KINDS, Place
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.host_files import refuse
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def converge(given: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    refuse(given["paths_refused"])
    changes, kept, notices = [], [], []
    for instance in given["instances"]:
        directory = instance.get("directory") or ""
        if directory:
            place = Place(given["engine"], instance["name"], work, str(instance.get("version") or ""))
            notices += place.notices(directory)
            changes += [f"{place.name}: {change}" for change in place.present(directory, check)]
            kept += place.kept
            # Asked for its refusals: where there is no room, that is told before any server moves.
            place.due(directory)
    return {"changed": bool(changes), "changes": changes, "kept": kept, "notices": notices}


def main() -> None:
    module = AnsibleModule(
        {
            "engine": {"type": "str", "choices": list(KINDS), "required": True},
            "instances": {"type": "list", "elements": "dict", "required": True},
            "paths_refused": {"type": "dict", "default": {}},
            **RUN,
        },
        supports_check_mode=True,
    )
    try:
        result = converge(module.params, module.check_mode, Run.of(module.params))
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
