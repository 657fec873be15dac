# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module that the task names; also that of others, as ``meta/runtime.yml`` says."""

from __future__ import annotations

from ansible.plugins.action.normal import ActionModule as Normal
from ansible_collections.longshore.stack.plugins.plugin_utils.kept_modules import KeptModule


class ActionModule(KeptModule, Normal):
    """What the module does is its own."""
