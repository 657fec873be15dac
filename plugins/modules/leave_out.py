#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: leave_out
short_description: Go on without a server
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Counts a server that answers on SSH but is of no use as unreachable, so that the rest of the run leaves it out and
    names it at its end.
  - In a play with C(any_errors_fatal) the task needs C(ignore_errors), or the other servers are left out with it.
options:
  reason:
    description: Why the server is of no use.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Go on without the managers that cannot tell
  longshore.stack.leave_out:
    reason: "{{ manager.msg }}"
  when: manager is failed
"""

RETURN = r"""#"""
