# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image says about itself: its entrypoint, command, environment, health check and user.

Private to the collection.
"""

from __future__ import annotations

from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import auth_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class ImageConfigs:
    """Looks first at what was ``given`` by service, then at the engine, which at last pulls the image (never in check
    mode: an image that isn't there then counts as one that says nothing)."""

    def __init__(
        self,
        docker: Docker | None,
        given: Mapping[str, Mapping[str, Any]],
        auth: Mapping[str, Mapping[str, str]],
        check_mode: bool,
    ) -> None:
        self._docker = docker
        self._given = given
        self._auth = auth
        self._check_mode = check_mode

    def __call__(self, service: str, image: str) -> Mapping[str, Any]:
        """The image's ``Config``. Raises ``ValueError`` when the image can't be had."""
        if self._given.get(service):
            return self._given[service]
        if self._docker is None:
            return {}
        found = self._inspect(image)
        if found is None and not self._check_mode:
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
