# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that answers on SSH but is of no use counts as one that does not answer."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Runs on the controller alone, and changes nothing."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Never returns: Ansible leaves out the servers of a task that has lost its connection."""
        super().run(tmp, task_vars)
        _options, given = self.validate_argument_spec(argument_spec={"reason": {"type": "str", "required": True}})
        raise AnsibleConnectionFailure(given["reason"])
