# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole stack file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import PrivateAttr

from .backups import Backups, Repository, backed_up, backup_server, directory
from .base import Model, Short, many, one
from .cluster import Docker, LoadBalancer, Swarm, UnattendedUpgrades, upgrades
from .databases import Database, data_servers, logical, quorum, routers
from .external import askers
from .file_text import read
from .hardening import Hardening, hardened
from .later import Failover, Firewall, Job, Monitoring
from .normalize import local_volumes
from .resources import EMPTY_IS_DEFAULT, Config, Network, Registry, RegistryLogin, SecretItem, Volume
from .scalars import (
    DatabaseName,
    Pairs,
    SecretName,
    ServerName,
    ServiceName,
    StackName,
    Texts,
    UserName,
    VolumeName,
    matching,
)
from .servers import Server, Ssh, User, names_a_file, resolved
from .service import Service

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .problems import Problem
# A server with no tag but this one runs no containers.
DATABASE_TAG = "db"


class Stack(Model):
    """A stack: services and what they need, on servers of one cluster."""

    plugin: Literal["longshore.stack.stack"] = one("Marks the file as a stack file.")
    name: StackName = one("The stack's name; every object of it begins with it.")
    environment: str = one(
        "Which environment this is.",
        "production",
        **matching(r"^[a-z][a-z0-9-]*$", "must be lower-case letters, digits and '-', with a letter first"),
        max_length=30,
    )
    servers: dict[ServerName, Server] = one("The machines.", min_length=1)
    ssh: Ssh = many("How to log in to servers that do not say it themselves.", Ssh)
    services: dict[ServiceName, Service] = many("What runs.", dict)
    secrets: dict[SecretName, SecretItem] = many("Values that nobody sees.", dict)
    configs: dict[SecretName, Config] = many("Files for containers.", dict)
    volumes: Annotated[dict[VolumeName, Volume], EMPTY_IS_DEFAULT] = many("Data that outlives containers.", dict)
    networks: Annotated[dict[VolumeName, Network], EMPTY_IS_DEFAULT] = many(
        "Networks beside the one that every service is on by default.", dict
    )
    load_balancer: LoadBalancer = many("HAProxy on every server tagged lb.", LoadBalancer)
    registry: Registry = many("The stack's own registry, for images that are built.", Registry)
    registries: dict[str, RegistryLogin] = many("Logins of registries that images are pulled from, by host.", dict)
    docker: Docker = many("Docker on every server.", Docker)
    swarm: Swarm = many("The cluster.", Swarm)
    users: dict[UserName, User] = many("People's accounts on every server.", dict)
    ca_certificates: Texts = many("Files of certificates that every server trusts.", list)
    sysctl: Pairs = many("Kernel settings of every server.", dict)
    timezone: str | None = one(
        "Every server's time zone, such as Europe/Berlin; default: left as it is.",
        None,
        **matching(r"^[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*$", "must be a time zone such as Europe/Berlin"),
    )
    hardening: Annotated[Hardening | None, Short(hardened, {"type": "boolean"})] = one(
        "What makes servers harder to take over; default: nothing.", None
    )
    unattended_upgrades: Annotated[UnattendedUpgrades, Short(upgrades, {"type": "boolean"})] = many(
        "The distribution's security updates.", UnattendedUpgrades
    )
    jobs: dict[ServiceName, Job] = many("Commands on a schedule.", dict)
    databases: dict[DatabaseName, Database] = many("Managed databases.", dict)
    firewall: Firewall | None = one("Who may reach what.", None)
    failover: dict[str, Failover] = many("Public names that move to a backup.", dict)
    backups: Backups | None = one("Where backups go.", None)
    monitoring: Monitoring | None = one("Vital signs.", None)

    _path: Path = PrivateAttr(default_factory=Path)
    _notices: tuple[Problem, ...] = PrivateAttr(())
    _hosts: list[str] = PrivateAttr(default_factory=list)
    _tags: dict[str, frozenset[str]] = PrivateAttr(default_factory=dict)
    _eligible: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)

    @property
    def path(self) -> Path:
        """The stack file, absolute."""
        return self._path

    def bind(self, path: Path) -> None:
        """Tell every part its name and the stack it belongs to."""
        self._path = path
        self._eligible = {}
        for name, server in self.servers.items():
            server._name, server._stack = name, self
        self._tags = {name: frozenset(server.tags) for name, server in self.servers.items()}
        wanted = any(DATABASE_TAG in service.placement.tags for service in self.services.values())
        self._hosts = [
            name
            for name, server in self.servers.items()
            if wanted or server.manager or self._tags[name] != {DATABASE_TAG}
        ]
        for name, service in self.services.items():
            service._name, service._stack = name, self
        for name, database in self.databases.items():
            database._name = name

    @property
    def notices(self) -> tuple[Problem, ...]:
        """What is valid and its operator should know all the same, in the order of the file."""
        return self._notices

    def settle(self, notices: Iterable[Problem]) -> None:
        """Keep what the checks have noticed, and fill in what they have shown to be clear.

        That is the server of a local volume that can be on one only.
        """
        self._notices = tuple(sorted(notices))
        for service in self.services.values():
            servers = self.eligible_servers(service)
            for name in local_volumes(service):
                if self.volumes[name].server is None and len(servers) == 1:
                    self.volumes[name].server = servers[0]

    def file(self, path: str) -> Path:
        """A path in the stack file as an absolute one: ``~`` is the home, anything relative stands beside the file."""
        found = resolved(self._path, path)
        return found if found is not None else self._path

    def text(self, path: str) -> str:
        """The text of a file that the stack file names; the checks have read it before."""
        return read(self.file(path))

    def public_keys(self, keys: list[str]) -> list[str]:
        """The lines of ``keys`` of a user, files among them read. Raises ValueError for one that can't be."""
        texts = (self.text(key) if names_a_file(key) else key for key in keys)
        return [
            line for text in texts for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
        ]

    def docker_hosts(self) -> list[str]:
        """Servers that run containers: all but those whose only tag is db, unless a service asks for that tag."""
        return list(self._hosts)

    def managers(self) -> list[str]:
        """Servers that should be Swarm managers: those that say so, else the first 1, 3 or 5 that run containers."""
        hosts = self.docker_hosts()
        told = [name for name in hosts if self.servers[name].manager]
        if told:
            return told
        able = [name for name in hosts if self.servers[name].manager is not False] or hosts
        return able[: 5 if len(able) >= 5 else 3 if len(able) >= 3 else 1]

    def has_builds(self) -> bool:
        """Whether an image is built."""
        return any(service.build is not None for service in self.services.values())

    def has_routes(self) -> bool:
        """Whether anything is reached through the load balancers."""
        balancer = self.load_balancer
        return bool(balancer.routes or balancer.ports) or any(service.routes for service in self.services.values())

    def _tagged(self, tag: str) -> list[str]:
        known = self._tags
        return [name for name in self._hosts if tag in known[name]]

    def registry_server(self) -> str | None:
        """The server of the stack's own registry; None when nothing is built."""
        if not self.has_builds():
            return None
        return self.registry.server or next(iter([*self._tagged("build"), *self.managers()]), None)

    def builders(self) -> list[str]:
        """Servers that build images: those tagged build, else the registry's; none when nothing is built."""
        registry = self.registry_server()
        if registry is None:
            return []
        return self._tagged("build") or [registry]

    def load_balancers(self) -> list[str]:
        """Servers tagged lb, when a service has routes."""
        return self._tagged("lb") if self.has_routes() else []

    def logical_databases(self) -> dict[str, Database]:
        """The names that ``{{ databases.NAME.… }}`` may have → the database in which each is."""
        return logical(self)

    def data_servers(self, engine: str) -> list[str]:
        """Servers that hold a database of this engine."""
        return data_servers(self, engine)

    def etcd_members(self) -> list[str]:
        """Servers that agree, by etcd, on who is primary; none where nothing has to be agreed so."""
        return quorum(self) if any(database.agreed for database in self.databases.values()) else []

    def instance(self, database: str) -> str:
        """What a managed database is called on its servers, which several stacks may share."""
        return f"{self.name}-{database}"

    def sentinels(self) -> list[str]:
        """Servers that agree on which Redis is primary; none without one that has replicas."""
        return quorum(self) if any(database.watched for database in self.databases.values()) else []

    def external_askers(self, name: str) -> list[str]:
        """The servers that ask whether an external database can be used."""
        return askers(self, name)

    def backed_up(self, tool: str) -> list[Database]:
        """The databases whose backups ``tool`` makes: pgbackrest or restic."""
        return backed_up(self, tool)

    def backup_server(self) -> str | None:
        """The server that makes and keeps backups; None when there are none to make."""
        return backup_server(self)

    def backup_directory(self, repository: Repository | None = None) -> str:
        """Where the backup server keeps them, or in a copy's repository."""
        return directory(self, repository)

    def routers(self) -> dict[str, Service]:
        """The services that take containers to the databases, by name."""
        return routers(self)

    def volume_hosts(self) -> list[str]:
        """Servers on which a local volume's directory stands."""
        holding = {volume.server for volume in self.volumes.values()}
        return [name for name in self.servers if name in holding]

    def eligible_servers(self, service: Service) -> list[str]:
        """Servers that may run ``service``, by its tags and its volumes. Its other constraints are Swarm's to judge."""
        # Asked for each server and service by the inventory: worked out once.
        known = self._eligible.get(service.name)
        if known is None:
            known = self._eligible[service.name] = tuple(self._may_run(service))
        return list(known)

    def _may_run(self, service: Service) -> list[str]:
        tags = set(service.placement.tags)
        known = self._tags
        names = [name for name in self._hosts if tags <= known[name]]
        for mount in service.volumes:
            volume = self.volumes.get(mount.source or "") if mount.type == "volume" else None
            if volume is None:
                continue
            holders = [volume.server] if volume.server is not None else volume.servers
            if holders:
                names = [name for name in names if name in holders]
        return names
