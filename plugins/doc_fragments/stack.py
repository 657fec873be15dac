# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules for a stack share."""

from __future__ import annotations


class ModuleDocFragment:
    """``stack``; ``LOCK`` adds the lease's option."""

    DOCUMENTATION = r"""
options:
  stack:
    description: The stack's name, the beginning of all its names on the cluster.
    type: str
    required: true
requirements:
  - Docker 20.10 or later on the server, a manager of its Swarm
notes:
  - Runs on a manager of the Swarm and needs nothing but Python 3.9 there.
"""

    LOCK = r"""
options:
  lock_wait:
    description:
      - How many seconds to wait for another run that works on the stack. When it still does then, the task fails, and
        C(locked) in its result says which run it is.
      - The lock of a run that has died is always waited out. It ends by itself, at most 60 seconds after the death.
    type: float
    default: 0.0
"""

    ATTRIBUTES = r"""
attributes:
  check_mode:
    support: full
    description: Predicts what a real run does, without changing anything.
  diff_mode:
    support: full
    description: Shows what differs, field by field. Secret values are never shown.
"""

    INFO = r"""
attributes:
  check_mode:
    support: full
    description: Reads only.
  diff_mode:
    support: none
    description: Changes nothing.
"""
