# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name, shows its progress, and leaves out a server whose engine is dead."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.longshore.stack.plugins.plugin_utils.streaming import StreamingAction


class ActionModule(StreamingAction):
    """Adds the live view; what the module does is its own."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self.stream_module(self._task.args, task_vars or {}))
        if "unable" in result and not result.get("failed"):
            # Ansible leaves out the servers of a task that has lost its connection.
            raise AnsibleConnectionFailure(result["msg"])
        return result
