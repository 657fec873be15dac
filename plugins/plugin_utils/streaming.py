# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Showing what a module does while it does it.

A module writes lines to the run's progress file on its server (``module_utils/run.py``). While it runs, a thread
fetches them over a second channel of the same connection and shows them; what was fetched is gone from the server.
Showing never fails the work: without a run id, with ``no_log``, or when fetching fails, the module just runs.
"""

from __future__ import annotations

import contextvars
import copy
import re
import shlex
import threading
import time
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.longshore.stack.plugins.module_utils.run import PROGRESS
from ansible_collections.longshore.stack.plugins.plugin_utils.kept_modules import KeptModule

if TYPE_CHECKING:
    from collections.abc import Mapping

# A converged task is done before the first fetch, and pays nothing.
FIRST_AFTER = 0.7
EVERY = 0.5
# So many failures in a row, and fetching is given up.
PATIENCE = 5
SAFE_ID = re.compile(r"[\w.-]{1,64}")


def fetch_command(run_id: str) -> str:
    """The shell command that writes the new lines of a run and forgets them."""
    path = shlex.quote(f"{PROGRESS}/{run_id}.log")
    taken = shlex.quote(f"{PROGRESS}/{run_id}.shown")
    return f"if mv {path} {taken} 2>/dev/null; then cat {taken}; rm -f {taken}; fi"


class StreamingAction(KeptModule):
    """An action whose module of the same name says how far it is."""

    def stream_module(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Run the module of this action's name, showing its lines as ``[server] line``; gives its result."""
        run_id = str((arguments.get("run") or {}).get("id") or "")
        if self._task.no_log or not SAFE_ID.fullmatch(run_id):
            return self._run_module(arguments, task_vars)
        host = str(self._task.delegate_to or task_vars.get("inventory_hostname") or "")
        over = threading.Event()
        follow = contextvars.copy_context().run
        thread = threading.Thread(target=follow, args=(self._follow, run_id, host, over), daemon=True)
        thread.start()
        try:
            return self._run_module(arguments, task_vars)
        finally:
            over.set()
            thread.join(timeout=5.0)

    def _run_module(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name=self._task.action, module_args=dict(arguments), task_vars=task_vars
        )
        return result

    def _follow(self, run_id: str, host: str, over: threading.Event) -> None:
        if over.wait(FIRST_AFTER):
            return
        twin, failures, last = Twin(self), 0, False
        while not last and failures < PATIENCE:
            last = over.is_set()
            begun = time.monotonic()
            try:
                for line in twin.fetch(fetch_command(run_id)).splitlines():
                    Display().display(f"[{host}] {line}")
                failures = 0
            except Exception:
                # Whatever goes wrong here must not touch the task.
                failures += 1
            # Where each fetch is slow (no shared connection), it shall not be all that is done.
            if not last:
                over.wait(max(EVERY, 3 * (time.monotonic() - begun)))


class StreamedModule(StreamingAction):
    """Adds the live view; what the module does is its own."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self.stream_module(self._task.args, task_vars or {}))
        return result


class EngineModule(StreamedModule):
    """The same, for a module that ends with ``unable`` where there is no engine and none is required."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give the module's result. Ansible leaves out the servers of a task that has lost its connection."""
        result = super().run(tmp, task_vars)
        if "unable" in result and not result.get("failed"):
            raise AnsibleConnectionFailure(result["msg"])
        return result


class Twin:
    """The action's connection once more, so that two commands can run at the same time."""

    def __init__(self, action: ActionBase) -> None:
        self._action = copy.copy(action)
        self._action._connection = copy.copy(action._connection)
        # What proves that rights were raised differs for each command, so this is not shared either.
        self._action._connection.become = copy.copy(action._connection.become)
        self._action._connection._shell = copy.copy(action._connection._shell)

    def fetch(self, command: str) -> str:
        """The output of a command on the server. Raises when the server cannot be asked."""
        answer = self._action._low_level_execute_command(command)
        return str(answer["stdout"]) if answer["rc"] == 0 else ""
