# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name; finds out which address whoever runs it has for the server."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.longshore.stack.plugins.plugin_utils.kept_modules import KeptModule


class ActionModule(KeptModule):
    """What the module does on the server is its own."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if not arguments.get("source") and arguments.get("state", "present") != "listed":
            arguments["source"] = self._own_address()
        result.update(
            self._execute_module(
                module_name="longshore.stack.firewall_lease", module_args=arguments, task_vars=task_vars or {}
            )
        )
        return result

    def _own_address(self) -> str:
        connection = self._connection
        if connection.transport != "ssh":
            raise AnsibleActionFail("whom to let in must be said: this is no connection by SSH")
        if "proxy" in str(connection.get_option("ssh_common_args")).lower():
            raise AnsibleActionFail(
                "whom to let in must be said (--from ADDRESS): this server is reached through another one, "
                "whose address is all that it sees"
            )
        answer = self._low_level_execute_command("echo $SSH_CONNECTION", sudoable=False)
        words = answer["stdout"].split()
        if answer["rc"] != 0 or not words:
            raise AnsibleActionFail(
                "whom to let in must be said (--from ADDRESS): sshd does not tell where this is from"
            )
        return str(words[0])
