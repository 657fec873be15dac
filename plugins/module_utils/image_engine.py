# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images at an engine and behind it: what a tag is, whether it is here, pull it, push it.

Private to the collection.
"""

from __future__ import annotations

import base64
import json
import os
import time

from .docker_api import DockerError
from .image_reference import HUB, Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .docker_api import Docker

# A registry that was asked by a hundred servers at once may fail some of them; the second try comes 2 s later.
ATTEMPTS = 3
PAUSE = 2.0
# Where the stack's registry keeps its images; bytes that it must have when something is pushed.
REGISTRY_DATA = "/var/lib/longshore/cluster/registry"
LEAST_FOR_PUSHES = 256 << 20
# Registries' words, as the engine hands them on; its status does not tell these apart.
_NO_ACCESS = ("unauthorized", "denied", "authentication required", "no basic auth credentials")
_UNKNOWN = ("manifest unknown", "name unknown", "not found")


class ImageError(Exception):
    """An image that cannot be had; the message names the image, the cause and, where known, the cure."""


class Credentials:
    """Who we are at which registry. ``given``: a list of ``{registry, username, password}``."""

    def __init__(self, given: Sequence[Mapping[str, str]]) -> None:
        self._by_domain = {_domain(each["registry"]): each for each in given}

    def knows(self, reference: Reference) -> bool:
        """Whether there are credentials for the image's registry."""
        return reference.domain in self._by_domain

    def header(self, reference: Reference) -> dict[str, str]:
        """The engine's header for the image's registry. One that says nobody where there are none."""
        found = self._by_domain.get(reference.domain)
        content = {}
        if found:
            content = {
                "username": found["username"],
                "password": found["password"],
                "serveraddress": _address(reference.domain),
            }
        return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(content).encode()).decode()}

    def client_configuration(self) -> dict[str, Any]:
        """The content of a Docker client's ``config.json``."""
        auths = {}
        for domain, each in self._by_domain.items():
            pair = f"{each['username']}:{each['password']}"
            auths[_address(domain)] = {"auth": base64.b64encode(pair.encode()).decode()}
        return {"auths": auths}

    def secrets(self) -> list[str]:
        """What must not be shown."""
        return [each["password"] for each in self._by_domain.values()]


def _domain(registry: str) -> str:
    bare = registry.split("://", 1)[-1].split("/", 1)[0]
    return HUB if bare in (f"index.{HUB}", f"registry-1.{HUB}") else bare


def _address(domain: str) -> str:
    return f"https://index.{HUB}/v1/" if domain == HUB else domain


def explain(reference: Reference, error: DockerError, credentials: Credentials) -> str:
    """Why an image cannot be had, in one line, from the engine's words."""
    message = error.message.strip()
    text = message.lower()
    who = "with the given credentials" if credentials.knows(reference) else "and no credentials are given for it"
    if error.status in (401, 403) or any(word in text for word in _NO_ACCESS):
        cause = f"no access at {reference.domain}, {who}; or there is no such image"
    elif error.status == 404 or any(word in text for word in _UNKNOWN):
        cause = f"there is no such image at {reference.domain}"
    elif "x509" in text or "certificate" in text:
        cause = f"the certificate of {reference.domain} is not trusted by the Docker engine"
    elif "no space left" in text:
        cause = "the disk is full"
    elif "http status: 5" in text:
        cause = f"{reference.domain} failed; the disk of its server may be full"
    else:
        cause = f"{reference.domain} cannot be reached"
    return f"{reference}: {cause} ({message})"


def is_final(error: DockerError) -> bool:
    """Whether trying again cannot help: the registry has answered, and the answer is no."""
    text = error.message.lower()
    return error.status in (401, 403, 404) or any(word in text for word in (*_NO_ACCESS, *_UNKNOWN, "x509", "no space"))


def remote_digest(docker: Docker, reference: Reference, credentials: Credentials) -> str:
    """The digest that the image's registry has for its tag now. Raises ``DockerError``."""
    answer = json.loads(docker.raw("GET", f"/distribution/{reference}/json", headers=credentials.header(reference)))
    digest: str = answer["Descriptor"]["digest"]
    return digest


def resolve(docker: Docker, reference: Reference, credentials: Credentials, mirrors: Sequence[str]) -> str:
    """The digest of the image of that name; ``mirrors`` are the engine's mirrors of Docker Hub.

    Raises ``ImageError``.
    """
    if reference.digest:
        return reference.digest

    def ask() -> str:
        try:
            return remote_digest(docker, reference, credentials)
        except DockerError as error:
            if reference.domain != HUB or not mirrors or is_final(error):
                raise
        # Before Docker 25 this question goes past the mirrors; a pull does not.
        return pull(docker, reference, credentials)

    return _persist(ask, reference, credentials)


def pull(docker: Docker, reference: Reference, credentials: Credentials, step: Callable[[], None] | None = None) -> str:
    """Pull an image and give its digest; ``step`` is called at each sign of progress and may raise.

    Raises ``ImageError``.
    """

    def work() -> str:
        _pull(docker, reference, credentials, step)
        return reference.digest or _own_digest(docker, reference)

    return _persist(work, reference, credentials)


def _persist(work: Callable[[], str], reference: Reference, credentials: Credentials) -> str:
    attempt = 1
    while True:
        try:
            return work()
        except DockerError as error:
            if is_final(error) or attempt == ATTEMPTS:
                raise ImageError(explain(reference, error, credentials)) from error
        attempt += 1
        time.sleep(PAUSE)


def _pull(docker: Docker, reference: Reference, credentials: Credentials, step: Callable[[], None] | None) -> None:
    for event in docker.stream(
        "POST",
        "/images/create",
        headers=credentials.header(reference),
        fromImage=reference.name,
        tag=reference.digest or reference.tag,
    ):
        if "error" in event:
            raise DockerError(int((event.get("errorDetail") or {}).get("code") or 0), event["error"])
        if step:
            step()


def _own_digest(docker: Docker, reference: Reference) -> str:
    image = docker.get(f"/images/{reference}/json")
    for known in image.get("RepoDigests") or []:
        parsed = Reference.parse(known)
        if (parsed.domain, parsed.path) == (reference.domain, reference.path):
            return parsed.digest
    raise ImageError(f"{reference}: it is on this server but came from no registry, so it has no digest")


def push(docker: Docker, reference: Reference, credentials: Credentials, step: Callable[[], None]) -> str:
    """Push an image and give its digest; ``step`` is called at each sign of progress and may raise.

    Raises ``ImageError``.
    """
    digest = ""
    try:
        for event in docker.stream(
            "POST", f"/images/{reference.name}/push", headers=credentials.header(reference), tag=reference.tag
        ):
            if "error" in event:
                raise DockerError(0, event["error"])
            step()
            digest = (event.get("aux") or {}).get("Digest", digest)
    except DockerError as error:
        raise ImageError(f"the image was built but not pushed: {explain(reference, error, credentials)}") from error
    if not digest:
        raise ImageError(f"{reference}: the registry gave no digest for what was pushed")
    return digest


def local(docker: Docker, reference: Reference) -> dict[str, Any] | None:
    """What the engine knows of an image that it has; None when it has not."""
    try:
        image: dict[str, Any] = docker.get(f"/images/{reference.exact}/json")
    except DockerError as error:
        if error.status == 404:
            return None
        raise
    return image


def configuration(image: Mapping[str, Any]) -> dict[str, Any]:
    """What the image itself says of how to run it.

    Gives ``Entrypoint`` and ``Cmd`` (lists or None), ``Healthcheck`` (the engine's form or None), ``User``,
    ``WorkingDir`` and ``StopSignal`` (texts), ``ExposedPorts`` (``["80/tcp"]``), ``Env`` (``["PATH=/bin"]``).
    """
    config = image.get("Config") or {}
    return {
        "Entrypoint": config.get("Entrypoint"),
        "Cmd": config.get("Cmd"),
        "Healthcheck": config.get("Healthcheck"),
        "User": config.get("User") or "",
        "WorkingDir": config.get("WorkingDir") or "",
        "StopSignal": config.get("StopSignal") or "",
        "ExposedPorts": sorted(config.get("ExposedPorts") or {}),
        "Env": config.get("Env") or [],
    }


def too_little(directory: str, wanted: int) -> str:
    """What is wrong when fewer than ``wanted`` bytes are free where ``directory`` is; empty when nothing is."""
    free = free_space(directory)
    if free is None or free >= wanted:
        return ""
    return f"only {free >> 20} MiB are free at {directory}, and {wanted >> 20} MiB must be"


def no_room_for_pushes(directory: str = REGISTRY_DATA) -> str:
    """Why nothing can be pushed to the stack's registry when it is on this server and its disk is full; else empty. One
    elsewhere answers a push with an error."""
    problem = too_little(directory, LEAST_FOR_PUSHES)
    if not problem:
        return ""
    return (
        f"{problem} before anything is pushed to the registry there: 'systemctl start longshore-registry-sweep' "
        "removes what no kept release needs"
    )


def free_space(directory: str) -> int | None:
    """Bytes that are free where ``directory`` is; None when that cannot be said."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
