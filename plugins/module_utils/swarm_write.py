# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The single writes to a Swarm, each of them behind the lease's fence.

Private to the collection.
"""

from __future__ import annotations

import base64
import time

from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import auth_header
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import KIND, STACK, leaderless, patient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker

# An object is held until the last task that mounts it has gone; seconds.
REMOVE_PATIENCE = 30.0


class Writer:
    """Writes for one stack. ``fence`` raises when this run may no longer write."""

    def __init__(
        self, docker: Docker, stack: str, fence: Callable[[], None], auth: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._docker = docker
        self._stack = stack
        self._fence = fence
        self._auth = auth

    def create_network(self, name: str, options: Mapping[str, Any]) -> str:
        """Create an overlay network; its identifier."""
        body = {
            "Name": name,
            "Driver": "overlay",
            "Scope": "swarm",
            "CheckDuplicate": True,
            "Internal": bool(options.get("internal")),
            "Attachable": bool(options.get("attachable")),
            "EnableIPv6": bool(options.get("enable_ipv6")),
            "Options": {key: str(value) for key, value in (options.get("driver_opts") or {}).items()},
            "Labels": {STACK: self._stack},
        }
        self._fence()
        return str(patient(lambda: self._docker.post("/networks/create", body))["Id"])

    def create_object(self, kind: str, name: str, content: bytes) -> str:
        """Create a ``secret`` or ``config``; its identifier. One that exists already has this very content."""
        body = {
            "Name": name,
            "Labels": {STACK: self._stack, KIND: kind},
            "Data": base64.b64encode(content).decode(),
        }
        self._fence()
        return str(patient(lambda: self._docker.post(f"/{kind}s/create", body))["ID"])

    def create_service(self, spec: Mapping[str, Any]) -> str:
        """Create a service from a bound spec; its identifier."""
        self._fence()
        header = auth_header(spec["TaskTemplate"]["ContainerSpec"]["Image"], self._auth)
        return str(patient(lambda: self._docker.post("/services/create", spec, header))["ID"])

    def update_service(self, identifier: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Give a service a new bound spec; the service as it is then.

        Swarm counts its own notes about an update as versions too, so a refused version is read again.
        """
        header = auth_header(spec["TaskTemplate"]["ContainerSpec"]["Image"], self._auth)
        for _attempt in range(20):
            live = patient(lambda: self._docker.get(f"/services/{identifier}"))
            self._fence()
            try:
                self._docker.post(f"/services/{identifier}/update", spec, header, version=live["Version"]["Index"])
            except DockerError as error:
                if "out of sequence" not in error.message and not leaderless(error):
                    raise
                time.sleep(0.2)
                continue
            return dict(patient(lambda: self._docker.get(f"/services/{identifier}")))
        raise DockerError(409, f"the service {spec['Name']} keeps being changed by something else")

    def remove(self, path: str, patience: float = REMOVE_PATIENCE) -> None:
        """Delete an object, waiting for what still holds it; nothing happens when it is gone already."""
        until = time.monotonic() + patience
        while True:
            self._fence()
            try:
                self._docker.delete(path)
            except DockerError as error:
                if error.status == 404:
                    return
                held = "in use" in error.message or "active endpoints" in error.message or leaderless(error)
                if not held or time.monotonic() > until:
                    raise
                time.sleep(0.3)
                continue
            return
