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
        return self._create("networks", body)

    def create_object(self, kind: str, name: str, content: bytes, labels: Mapping[str, str] | None = None) -> str:
        """Create a ``secret`` or ``config``; its identifier. ``labels`` go above those that all of ours have."""
        body = {
            "Name": name,
            "Labels": {STACK: self._stack, KIND: kind, **(labels or {})},
            "Data": base64.b64encode(content).decode(),
        }
        return self._create(f"{kind}s", body)

    def create_service(self, spec: Mapping[str, Any]) -> str:
        """Create a service from a bound spec; its identifier."""
        header = auth_header(spec["TaskTemplate"]["ContainerSpec"]["Image"], self._auth)
        return self._create("services", spec, header)

    def update_service(self, identifier: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Give a service a new bound spec; the service as it is then."""
        header = auth_header(spec["TaskTemplate"]["ContainerSpec"]["Image"], self._auth)
        path = f"/services/{identifier}"
        self._update(path, lambda _live: spec, f"the service {spec['Name']}", header)
        return dict(self._docker.get(path))

    def unlabel(self, node: str, start: str) -> None:
        """Remove the node's labels that begin with ``start``."""

        def change(live: Mapping[str, Any]) -> Mapping[str, Any]:
            labels = live.get("Labels") or {}
            return {**live, "Labels": {key: value for key, value in labels.items() if not key.startswith(start)}}

        self._update(f"/nodes/{node}", change, f"the node {node}")

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

    def _update(
        self,
        path: str,
        change: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        what: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        for _attempt in range(20):
            live = self._docker.get(path)
            spec, version = change(live["Spec"]), live["Version"]["Index"]
            self._fence()
            try:
                self._docker.post(f"{path}/update", spec, headers, version=version)
            except DockerError as error:
                # Swarm counts its own notes about an object as versions too, so a refused version is read again.
                if "out of sequence" not in error.message and not leaderless(error):
                    raise
                time.sleep(0.2)
                continue
            return
        raise DockerError(409, f"{what} keeps being changed by something else")

    def _create(self, kinds: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> str:
        def create() -> Any:
            self._fence()
            return self._docker.post(f"/{kinds}/create", body, headers)

        try:
            made = patient(create)
        except DockerError as error:
            if error.status != 409:
                raise
            # A creation can be carried out and yet be answered with an error; so the second one met the first.
            made = self._same(kinds, body)
            if made is None:
                raise
        return str(made.get("ID") or made["Id"])

    def _same(self, kinds: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """The object with the very name, labels and, where it can be read, content of ``body``."""
        listed: list[dict[str, Any]] = self._docker.get(f"/{kinds}", filters={"name": [body["Name"]]})
        for one in listed:
            # A network has no "Spec".
            found = one.get("Spec", one)
            same = all((found.get(key) or {}) == (body.get(key) or {}) for key in ("Name", "Labels"))
            if same and found.get("Data", body.get("Data")) == body.get("Data"):
                return one
        return None
