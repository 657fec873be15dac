# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image says about itself: its entrypoint, command, environment, health check and user.

Private to the collection.
"""

from __future__ import annotations

from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import auth_header
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import ENV_FILE, HELPER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class ImageConfigs:
    """Looks first at what was ``given`` by service, then at the engine, which at last pulls the image.

    Never in check mode: an image that isn't there then says what the one says that the service runs (``running``, by
    service). Where that one isn't there either, the service is among ``unknown`` afterwards.
    """

    def __init__(
        self,
        docker: Docker | None,
        given: Mapping[str, Mapping[str, Any]],
        auth: Mapping[str, Mapping[str, str]],
        check_mode: bool,
        running: Mapping[str, str] | None = None,
    ) -> None:
        self.unknown: list[str] = []
        self._docker = docker
        self._given = given
        self._auth = auth
        self._check_mode = check_mode
        self._running = running or {}

    def __call__(self, service: str, image: str) -> Mapping[str, Any]:
        """The image's ``Config``. Raises ``ValueError`` when the image can't be had."""
        if self._given.get(service):
            return self._given[service]
        if self._docker is None:
            return {}
        found = self._inspect(image)
        if found is None and self._check_mode:
            found = self._inspect(self._running[service]) if service in self._running else None
            if found is None:
                self.unknown.append(service)
        elif found is None:
            self._pull(service, image)
            found = self._inspect(image)
        return found or {}

    def _inspect(self, image: str) -> Mapping[str, Any] | None:
        if self._docker is None:
            return None
        try:
            config: Mapping[str, Any] = self._docker.get(f"/images/{image}/json")["Config"] or {}
        except DockerError as error:
            if error.status == 404:
                return None
            raise
        return config

    def _pull(self, service: str, image: str) -> None:
        if self._docker is None:
            return
        why = ""
        try:
            for event in self._docker.stream(
                "POST", "/images/create", None, auth_header(image, self._auth), fromImage=image
            ):
                why = event.get("error", why)
        except DockerError as error:
            why = error.message
        if why:
            raise ValueError(
                f"service {service}: the image {image} can't be had: {why}\n"
                "  what to do: check the image's name and tag, and that the registry's credentials are given"
            )


def as_it_runs(service: Mapping[str, Any], spec: dict[str, Any], live: Mapping[str, Any]) -> None:
    """Take over from the ``live`` spec what depends on the image, of which nothing is known."""
    new, old = spec["TaskTemplate"]["ContainerSpec"], live["TaskTemplate"]["ContainerSpec"]
    ours, theirs = _environment_file(new), _environment_file(old)
    if (ours is None) != (theirs is None):
        # With or without the helper in front, everything is another.
        return
    if ours is not None and theirs is not None:
        ours["UID"], ours["Mode"] = theirs["UID"], theirs["Mode"]
        new["Command"], new["Args"] = old.get("Command"), old.get("Args")
    check = service["healthcheck"]
    if check is None or (ours is not None and check.get("test")):
        new["Healthcheck"] = old.get("Healthcheck")
        helper = [mount for mount in old.get("Mounts") or [] if mount["Target"] == HELPER]
        new["Mounts"] = [mount for mount in new["Mounts"] if mount["Target"] != HELPER] + helper


def _environment_file(container: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where the secret environment is mounted; None for a service without one."""
    files: list[dict[str, Any]] = [secret["File"] for secret in container.get("Secrets") or []]
    return next((file for file in files if file["Name"] == ENV_FILE), None)
