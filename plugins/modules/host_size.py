#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_size
short_description: How much memory and how many processors a server has
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Two numbers, for settings that depend on them, where gathering facts would look at disks and networks too. They are
    a fact, so whoever comes later in the run need not ask again.
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
options: {}
"""

EXAMPLES = r"""
- name: See how large the server is
  longshore.stack.host_size:
  when: ansible_facts.longshore_size is not defined
"""

RETURN = r"""
ansible_facts:
  description: Facts of the server.
  returned: success
  type: dict
  contains:
    longshore_size:
      description: How large the server is.
      type: dict
      contains:
        memory:
          description: Bytes; what the kernel has, or what the whole system may use if that is less.
          type: int
          sample: 8589934592
        processors:
          description: Those that may be used.
          type: int
          sample: 4
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule

# Limits of the root group, as a container that is a server has them: cgroup v2, v1.
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory(meminfo: str, limits: list[str]) -> int:
    """The least of the kernel's and the limits' numbers; a limit that is no number is none."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", meminfo, re.MULTILINE)
    numbers = [int(text) for text in limits if text.strip().isdigit()]
    if found is not None:
        numbers.append(int(found[1]) * 1024)
    return min(numbers) if numbers else 0


def text_of(path: str) -> str:
    """A file's text; empty when there is none."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def main() -> None:
    module = AnsibleModule({}, supports_check_mode=True)
    size = memory(text_of("/proc/meminfo"), [text_of(path) for path in LIMITS])
    found = {"memory": size, "processors": len(os.sched_getaffinity(0))}
    module.exit_json(changed=False, ansible_facts={"longshore_size": found})


if __name__ == "__main__":
    main()
