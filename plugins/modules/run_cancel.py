#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: run_cancel
short_description: Tell the modules of a run to stop
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Ending C(ansible-playbook) does not end the modules that it has started on the servers. They look for this mark and
    stop at their next safe point.
  - Marks stand in memory, under C(/run), and are gone with the next boot.
options:
  id:
    description: The run's id.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Leaves no mark in check mode.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Stop what the run started on this server
  longshore.stack.run_cancel:
    id: 20261123-140510-4711
"""

RETURN = r""" # """

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.run import CANCEL_MARKS, Run


def main() -> None:
    """Leave the mark."""
    module = AnsibleModule(argument_spec={"id": {"type": "str", "required": True}}, supports_check_mode=True)
    try:
        run = Run(module.params["id"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    mark = os.path.join(CANCEL_MARKS, run.id)
    changed = not os.path.exists(mark)
    if changed and not module.check_mode:
        os.makedirs(CANCEL_MARKS, mode=0o700, exist_ok=True)
        with open(mark, "w"):
            pass
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
