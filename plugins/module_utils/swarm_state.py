# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack is on the cluster now.

Private to the collection.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ansible_collections.longshore.stack.plugins.module_utils import known_nodes, releases
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.object_ids import portable
from ansible_collections.longshore.stack.plugins.module_utils.service_spec import EDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Choosing a new leader takes a few seconds; for so long a manager's "no leader" is no failure.
LEADER_PATIENCE = 30.0
STACK, SERVICE, KIND, RELEASE = "longshore.stack", "longshore.service", "longshore.kind", "longshore.release"


class NotAManager(Exception):
    """The engine can't answer for a Swarm."""


@dataclass
class State:
    """One stack as found. ``services`` are the engine's objects by service name; ``networks``, ``secrets`` and
    ``configs`` are all of the cluster's, by name; ``records`` are the release records by number, ``tasks``
    those of the services, ended ones too."""

    stack: str
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    records: dict[int, dict[str, Any]] = field(default_factory=dict)
    lock: dict[str, Any] | None = None
    tasks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def newest(self) -> int:
        """The number of the newest release, 0 before the first."""
        return max(self.records, default=0)

    @property
    def edge(self) -> str:
        """The identifier of the network between the load balancers and the stack's services, empty without one."""
        return str(self.networks.get(f"{self.stack}_{EDGE}", {}).get("Id", ""))

    def spec(self, service: str) -> dict[str, Any] | None:
        """The live service's portable spec."""
        found = self.services.get(service)
        return portable(found["Spec"], {net["Id"]: name for name, net in self.networks.items()}) if found else None

    def label(self, service: str, name: str) -> str:
        """A label of the live service, empty when there is none."""
        found = self.services.get(service)
        return str((found["Spec"].get("Labels") or {}).get(name, "")) if found else ""

    def unfinished(self, service: str) -> bool:
        """Whether the live service was changed by a run that never recorded its release."""
        number = self.label(service, RELEASE)
        return number.isdigit() and int(number) > self.newest

    def ids(self) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """Identifiers of networks, secrets and configs by name."""
        return (
            {name: network["Id"] for name, network in self.networks.items()},
            {name: secret["ID"] for name, secret in self.secrets.items()},
            {name: config["ID"] for name, config in self.configs.items()},
        )


class Manager(Docker):
    """A manager's engine: what is read is asked for again while the managers choose a leader."""

    def get(self, path: str, **query: Any) -> Any:
        """As ``Docker.get``."""
        read = super().get
        return patient(lambda: read(path, **query))


def lock_name(stack: str) -> str:
    """The config object that is the stack's lock."""
    return f"{stack}.lock"


def require_manager(docker: Docker | None) -> Manager:
    """The engine, if it is a manager of a Swarm. Raises ``NotAManager``, saying what it is instead."""
    if docker is None:
        raise NotAManager("the Docker engine does not answer on this server")
    manager = Manager.like(docker)
    swarm = manager.get("/info")["Swarm"]
    if swarm.get("LocalNodeState") != "active":
        raise NotAManager(f"this server is not part of a Swarm (state: {swarm.get('LocalNodeState') or 'unknown'})")
    if not swarm.get("ControlAvailable"):
        raise NotAManager("this server is a worker of the Swarm; this runs on managers only")
    return manager


def patient(call: Callable[[], Any], seconds: float = LEADER_PATIENCE) -> Any:
    """``call()``'s result, tried again for a while when the managers have no leader."""
    until = time.monotonic() + seconds
    while True:
        try:
            return call()
        except DockerError as error:
            if not leaderless(error) or time.monotonic() > until:
                raise
            time.sleep(0.5)


def leaderless(error: DockerError) -> bool:
    """Whether the error only says that the managers are choosing a leader."""
    words = (
        "leader",
        "deadline exceeded",
        "transport is closing",
        "connection error",
        "Unavailable",
        "context canceled",
    )
    return error.status in (500, 503) and any(word in error.message for word in words)


def read(docker: Docker, stack: str, *, as_it_is: bool = False) -> State:
    """The stack's state, in a handful of calls. A new leader is given time to hear of the servers, unless the state is
    wanted ``as_it_is``."""
    mine = {"label": [f"{STACK}={stack}"]}
    configs = {config["Spec"]["Name"]: config for config in docker.get("/configs")}
    state = State(
        stack=stack,
        networks={net["Name"]: net for net in docker.get("/networks", filters={"scope": ["swarm"]})},
        secrets={secret["Spec"]["Name"]: secret for secret in docker.get("/secrets")},
        configs=configs,
        nodes=docker.get("/nodes") if as_it_is else known_nodes.nodes(docker),
        records=releases.read(stack, configs.values()),
        lock=configs.get(lock_name(stack)),
    )
    for service in docker.get("/services", filters=mine):
        labels = service["Spec"].get("Labels") or {}
        if labels.get(SERVICE):
            state.services[labels[SERVICE]] = service
        elif labels.get("longshore.job"):
            state.jobs[service["Spec"]["Name"]] = service
    if state.services:
        ids = sorted(service["ID"] for service in state.services.values())
        state.tasks = docker.get("/tasks", filters={"service": ids})
    return state


def owned(objects: dict[str, dict[str, Any]], stack: str, kind: str) -> set[str]:
    """The names of the stack's own secrets or configs of a kind (``secret``, ``config``)."""
    found = set()
    for name, entry in objects.items():
        labels = entry["Spec"].get("Labels") or {}
        if labels.get(STACK) == stack and labels.get(KIND) == kind:
            found.add(name)
    return found
