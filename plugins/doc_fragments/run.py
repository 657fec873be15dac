# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of modules that stop when their run is cancelled."""

from __future__ import annotations


class ModuleDocFragment:
    """``run``, as ``module_utils/run.py`` takes it."""

    DOCUMENTATION = r"""
options:
  run:
    description:
      - The run that this task belongs to. The module stops at its next safe point when the run is cancelled, and shows
        its progress.
    type: dict
    default: {}
    suboptions:
      id:
        description: The run's identifier. Without one nobody can cancel the task or see its progress.
        type: str
        default: ''
      owner:
        description: Who runs it, for messages and records.
        type: str
        default: ''
      reason:
        description: Why, for records.
        type: str
        default: ''
"""
