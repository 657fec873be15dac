#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: kept_data
short_description: Tell what data stays on a server
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Looks which of some paths hold anything. Changes nothing.
  - C(longshore) shows the answer of all servers at the end of a run.
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
options:
  paths:
    description: Absolute paths, or patterns with V(*).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Tell what volumes hold
  longshore.stack.kept_data:
    paths: [/var/lib/longshore/shop/volumes/*]
"""

RETURN = r"""
kept:
  description: The paths that hold something; of data on a disk of their own, where they are there.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/longshore/shop/volumes/uploads]
"""

import glob
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.data_place import place_of


def kept(patterns: list[str]) -> list[str]:
    """The files, and the directories that are not empty, in the order of the patterns.

    Of data that are mounted, it is where they come from; also while that is away.
    """
    found = [path for pattern in patterns for path in sorted(glob.glob(pattern))]
    there = [path for path in found if place_of(path) != path or not os.path.isdir(path) or os.listdir(path)]
    return [place_of(path) for path in there]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        {"paths": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    try:
        found = kept(module.params["paths"])
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    module.exit_json(changed=False, kept=found)


if __name__ == "__main__":
    main()
