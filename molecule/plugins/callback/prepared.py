# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory plugin does for every run of a stack file, for the scenarios, whose inventory is another."""

from __future__ import annotations

from ansible.plugins.callback import CallbackBase
from ansible_collections.longshore.stack.plugins.plugin_utils import payloads, workers

DOCUMENTATION = """
name: prepared
type: aggregate
short_description: Saves each worker and each run what an earlier one has done
description: See docs/decisions/0004.
"""


class CallbackModule(CallbackBase):
    """Is loaded before there are workers; nothing is called back."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "prepared"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        payloads.reuse()
        workers.prepare()
