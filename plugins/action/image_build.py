# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name, shows its progress, and brings directories to the server.

A directory's content is hashed here. The module is asked first; only what the registry has not is sent.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.longshore.stack.plugins.plugin_utils.build_context import Directory
from ansible_collections.longshore.stack.plugins.plugin_utils.streaming import StreamingAction


class ActionModule(StreamingAction):
    """Builds on the server, from its Git repositories and our directories."""

    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        known = task_vars or {}
        arguments = dict(self._task.args)
        try:
            directories = self._directories(arguments.get("builds") or {})
            contents = {service: directory.digest() for service, directory in directories.items()}
        except (OSError, ValueError) as error:
            raise AnsibleActionFail(f"the directory cannot be built: {error}") from error
        arguments["contents"] = contents
        answer = self.stream_module(arguments, known)
        if "needs" in answer and not answer.get("failed"):
            arguments["archives"] = {service: self._send(directories[service], service) for service in answer["needs"]}
            answer = self.stream_module(arguments, known)
        result.update(answer)
        self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _directories(self, builds: dict[str, Any]) -> dict[str, Directory]:
        found = {}
        for service, build in builds.items():
            if build and build.get("path"):
                path = os.path.expanduser(str(build["path"]))
                if not os.path.isabs(path):
                    path = os.path.join(self._loader.get_basedir(), path)
                context, dockerfile = build.get("context") or ".", build.get("dockerfile") or "Dockerfile"
                found[service] = Directory(path, str(context), str(dockerfile))
        return found

    def _send(self, directory: Directory, service: str) -> str:
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        target: str = self._connection._shell.join_path(self._connection._shell.tmpdir, f"{service}.tar.gz")
        with tempfile.NamedTemporaryFile(suffix=".tar.gz") as file:
            directory.pack(file)
            file.flush()
            self._connection.put_file(file.name, target)
        return target
