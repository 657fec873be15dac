# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name, and confirms new rules over a connection that they let in.

The connection of the run itself proves nothing: it was there before the rules, and what goes on already is let in.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.longshore.stack.plugins.plugin_utils.fresh_connection import fresh
from ansible_collections.longshore.stack.plugins.plugin_utils.kept_modules import KeptModule

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = "longshore.stack.firewall_rules"
# One that fails by chance (sshd refuses some when many come at once) must not fail the run.
ATTEMPTS = 2
# Beyond the moment at which the server takes the rules back, in seconds.
GRACE = 15.0


class ActionModule(KeptModule):
    """What the module does on the server is its own."""

    _connection: Any

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give the module's result; fails when new rules cut the server off, with the reason."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        known = task_vars or {}
        begun = time.monotonic()
        done = self._phase("apply", known)
        if done.get("pending") and not done.get("failed"):
            done = self._confirmed(done, begun, known)
        result.update(done)
        return result

    def _phase(self, phase: str, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        arguments = {**self._task.args, "phase": phase}
        result: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args=arguments, task_vars=dict(task_vars)
        )
        return result

    def _confirmed(self, done: dict[str, Any], begun: float, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        error = ""
        for _attempt in range(ATTEMPTS):
            try:
                answer = self._freshly("confirm", task_vars)
            except AnsibleConnectionFailure as failure:
                error = _words(failure)
                continue
            if answer.get("failed"):
                raise AnsibleActionFail(answer["msg"], result=answer)
            return {**done, "pending": False, "confirmed": True}
        self._wait_for_the_former(begun, task_vars)
        raise AnsibleActionFail(
            "with the new rules this server can't be reached from here any more, so they were taken back and the "
            f"former ones are in force; nothing was written. Let your own address in. A new connection said: {error}"
        )

    def _freshly(self, phase: str, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        own = self._connection
        self._connection = fresh(own)
        try:
            return self._phase(phase, task_vars)
        finally:
            self._connection = own

    def _wait_for_the_former(self, begun: float, task_vars: Mapping[str, Any]) -> None:
        """By the connection that is there already if it still is, else when the server has done it by itself."""
        try:
            self._phase("revert", task_vars)
        except AnsibleConnectionFailure:
            until = begun + float(self._task.args.get("revert_after") or 45) + GRACE
            while time.monotonic() < until:
                try:
                    self._freshly("revert", task_vars)
                except AnsibleConnectionFailure:
                    time.sleep(1.0)
                else:
                    return


def _words(failure: Exception) -> str:
    return " ".join(str(failure).split())[:300]
