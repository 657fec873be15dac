#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guard
short_description: Refuse to run on a stack file that was not understood
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Ansible takes an inventory source that it cannot parse for a warning; every play then says that no hosts matched,
    and the run ends with 0. This action, the first of every playbook, fails instead, with all errors of the stack file.
  - It also asks all servers for their SSH greeting at once, those that turn it down a second time, and fails when the
    managers that answer are no majority, or when no load balancer answers.
options:
  groups:
    description: Groups that must have a server, besides C(longshore).
    type: list
    elements: str
    default: []
  quorum:
    description: Whether too few reachable servers are an error. What only reads can do with what is there.
    type: bool
    default: true
  secrets:
    description:
      - Which secret values of the stack file must be there, C(images) being those that builds and pulls need.
      - Environment variables must be set, lookups must work, Vault values must open. Values are looked at here alone.
    type: str
    choices: [none, images, all]
    default: none
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Check the stack file
  longshore.stack.guard:
    groups: [swarm_manager]
"""

RETURN = r"""
unreachable_servers:
  description: The servers that did not answer.
  type: list
  elements: str
  returned: success
  sample: [app3]
"""
