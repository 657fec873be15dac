# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's image, container and networks in the engine. Private to the collection."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import resource
from contextlib import contextmanager

from .docker_api import Docker, DockerError
from .haproxy_model import HaproxyError
from .haproxy_unit import CONTAINER, NETWORK
from .host_change import HostError
from .image_parallel import each
from .registry_auth import auth_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .run import Run


_ATTACHED = re.compile("already exists in network|already attached")


class NoEngineError(HaproxyError):
    """No Docker engine answers on this server; ``more`` says what else is known."""

    def __init__(self, more: str = "") -> None:
        super().__init__([f"no Docker engine answers on this server{more}"])


@contextmanager
def needed(docker: Docker | None) -> Iterator[None]:
    """Work that needs ``docker``: when it fails and no engine answers any more, it raises ``NoEngineError``.

    The error alone does not tell: a dead engine fails ``docker run`` and ``systemctl restart`` too.
    """
    try:
        yield
    except NoEngineError:
        raise
    except (DockerError, HaproxyError, HostError) as error:
        if docker is None or Docker.connect() is not None:
            raise
        raise NoEngineError(f" any more: {error}") from error


def found(docker: Docker, path: str) -> Any:
    """The answer of GET ``path``; None when there is no such object."""
    try:
        return docker.get(path)
    except DockerError as error:
        if error.status == 404:
            return None
        raise


def delete(docker: Docker, path: str, **query: bool) -> None:
    """DELETE ``path``; an object that is gone, or going, is fine."""
    try:
        docker.delete(path, **query)
    except DockerError as error:
        if error.status not in (404, 409):
            raise


def pull(docker: Docker, image: str, auth: Mapping[str, Mapping[str, str]], run: Run) -> None:
    """Pull ``image`` (name, name:tag or name@digest) with its registry's login in ``auth``, if there is one.

    Raises ``HaproxyError`` with the engine's message, and ``Cancelled``: the engine gives a pull up when the module
    that reads it has ended.
    """
    # In a thread, since an engine that waits for its registry says nothing for long.
    _done, errors = each([image], lambda name: _pull(docker, name, auth), run, 1)
    if errors:
        raise errors[image]


def _pull(docker: Docker, image: str, auth: Mapping[str, Mapping[str, str]]) -> None:
    name, separator, version = image.partition("@")
    if not separator:
        name, _colon, version = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
    try:
        header = auth_header(image, auth)
        for line in docker.stream("POST", "/images/create", headers=header, fromImage=name, tag=version):
            if "error" in line:
                raise HaproxyError([f"image {image} can't be pulled: {line['error']}"])
    except DockerError as error:
        raise HaproxyError([f"image {image} can't be pulled: {error.message}"]) from error


def network_fits(network: dict[str, Any] | None, ipv6: bool, subnet: str) -> bool:
    """Whether HAProxy's own network is there and is as wanted."""
    if network is None or bool(network.get("EnableIPv6")) != ipv6:
        return False
    if not ipv6:
        return True
    configured = [entry.get("Subnet", "") for entry in (network.get("IPAM") or {}).get("Config") or []]
    return any(ipaddress.ip_network(item) == ipaddress.ip_network(subnet) for item in configured if ":" in item)


def create_network(docker: Docker, ipv6: bool, subnet: str) -> None:
    """Make HAProxy's own bridge network, on which its published ports are."""
    body: dict[str, Any] = {
        "Name": NETWORK,
        "Driver": "bridge",
        "EnableIPv6": ipv6,
        "Labels": {"longshore.stack": ""},
        "CheckDuplicate": True,
    }
    if ipv6:
        body["IPAM"] = {"Config": [{"Subnet": subnet}]}
    docker.post("/networks/create", body)


def networks_of_container(container: dict[str, Any] | None) -> set[str]:
    """The networks that the container is on, besides its own.

    The engine lists one without an endpoint too: it wanted to join that and failed, as while Swarm starts.
    """
    listed = ((container or {}).get("NetworkSettings") or {}).get("Networks") or {}
    return {name for name, its in listed.items() if its["EndpointID"]} - {NETWORK}


def join(docker: Docker, network: str) -> None:
    """Put HAProxy on an overlay network; one it is on already is fine. Works on a node that does not know it yet."""
    try:
        try:
            _connect(docker, network)
        except DockerError as error:
            if not _ATTACHED.search(error.message):
                raise
            if network not in networks_of_container(found(docker, f"/containers/{CONTAINER}/json")):
                leave(docker, network)  # half of a join that failed is left
                _connect(docker, network)
    except DockerError as error:
        if error.status == 0:
            raise
        raise HaproxyError(
            [f"HAProxy can't join the network {network}: {error.message}; its stack must be deployed first"]
        ) from error


def _connect(docker: Docker, network: str) -> None:
    docker.post(f"/networks/{network}/connect", {"Container": CONTAINER})


def leave(docker: Docker, network: str) -> None:
    """Take HAProxy off a network."""
    try:
        docker.post(f"/networks/{network}/disconnect", {"Container": CONTAINER, "Force": True})
    except DockerError as error:
        if error.status != 404:
            raise


def open_files_limit() -> int:
    """The hard limit of open files in the engine's containers, at most a million."""
    try:
        with open("/run/docker.pid", encoding="ascii") as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            word = next(line for line in file if line.startswith("Max open files")).split()[4]
        limit = int(word)
    except (OSError, ValueError, StopIteration):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return limit if 0 < limit < 1_000_000 else 1_000_000


def host_has_ipv6() -> bool:
    """Whether the kernel has IPv6 switched on."""
    try:
        with open("/proc/sys/net/ipv6/conf/all/disable_ipv6", encoding="ascii") as file:
            return file.read().strip() == "0"
    except OSError:
        return False


def ipv6_hidden(docker: Docker) -> bool:
    """Whether this engine would show every IPv6 client as one address of its own, for want of ``ip6tables``."""
    version = docker.get("/version").get("Version", "0")
    if int(version.partition(".")[0] or 0) >= 27:
        return False
    path = "/etc/docker/daemon.json"
    try:
        with open(path, encoding="utf-8") as file:
            options = json.load(file) if os.path.getsize(path) else {}
    except (OSError, ValueError):
        options = {}
    return not (options.get("ip6tables") and options.get("experimental"))
