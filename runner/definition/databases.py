# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed databases: what stands in the file, and the services through which the stack's containers reach them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import PrivateAttr, model_validator

from .backups import ScheduleItem
from .base import Flag, Model, Short, many, one
from .external import External
from .normalize import used_databases
from .packages import Source
from .scalars import DatabaseName, DataDirectory, Extension, Pairs, Port, ServerName
from .service import Service

if TYPE_CHECKING:
    from .stack import Stack

# Engine → the versions that are supported, the one that Debian 13 has first. pgBackRest there knows no PostgreSQL 18.
VERSIONS = {
    "postgresql": ("17", "16", "15"),
    "mariadb": ("11.8",),
    "redis": ("8",),
    "rabbitmq": ("4",),
    "memcached": ("1.6",),
}
# Engine → the port that its clients expect.
PORTS = {"postgresql": 5432, "mariadb": 3306, "redis": 6379, "rabbitmq": 5671, "memcached": 11211}
# Engine → the port on which a server says what it is, for the engine's own port; with another one it is as far away.
# That of PostgreSQL is Patroni's own default, that of RabbitMQ its management's.
_HEALTH_PORTS = {"postgresql": 8008, "mariadb": 8306, "rabbitmq": 15671}
# Engine → the port by which its servers speak with each other, where it is another one; it moves in the same way.
_PEER_PORTS = {"rabbitmq": 25672}
# Engine → the port on which its figures are for Prometheus; it moves too. Those that the exporters themselves suggest
# (github.com/prometheus/prometheus/wiki/Default-port-allocations), of RabbitMQ that of its plugin with TLS.
_EXPORTER_PORTS = {"postgresql": 9187, "mariadb": 9104, "redis": 9121, "rabbitmq": 15691}
# One lost server leaves two of them; each asks each data server once a second, so more would only ask more.
_ROUTERS = 3
# What a router reads; a directory, since a mounted file would stay the old one when it is replaced.
_ROUTER_HEALTH = 8405  # as roles/database_router/templates/haproxy.cfg.j2 has it
_ROUTER_DIRECTORY = "/usr/local/etc/haproxy"
# Members of a quorum: three survive the loss of one, five of two.
_QUORUM = (5, 3)


def _synchronous(value: Any) -> Any:
    """``true``, ``false`` or ``strict``."""
    known = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    value = known.get(value, value) if isinstance(value, str) else value
    if value != "strict" and not isinstance(value, bool):
        raise ValueError("must be true, false or strict")
    return value


Synchronous = Annotated[bool | str, Short(_synchronous, {"enum": [True, False, "strict"]}, alone=True)]


class Database(Model):
    """A managed database outside of containers."""

    engine: Literal["postgresql", "mariadb", "redis", "rabbitmq", "memcached"] = one("Which.")
    version: str | None = one(
        "Its major version; default: the newest that is supported. One that has data is upgraded by command alone: "
        "longshore db upgrade NAME --major VERSION.",
        None,
    )
    source: Source | None = one(
        "Where a postgresql's packages come from; default: the servers' distribution, which has version 17. debian-12 "
        "has version 15, pgdg (apt.postgresql.org) all of them. Of any other apt source say uris, suites and key.",
        None,
    )
    external: External | None = one("How one is reached that somebody else runs; nothing of it is managed.", None)
    servers: list[ServerName] = many(
        "Data servers, the first is the primary when it is made. One at least, but for one that is external.",
        list,
        min_length=1,
    )
    witnesses: list[ServerName] = many(
        "Members of the quorum besides the data servers; default: the stack's other servers, up to three in all.", list
    )
    synchronous: Synchronous = one(
        "true: a commit waits for a second server while there is one, and only a server that has every commit is "
        "promoted. strict: without a second server nothing is committed. false: a lost server may take its last "
        "commits with it. A redis copies its writes later in any case: with strict it takes none without a replica "
        "that is at most five seconds behind.",
        False,
    )
    port: Port | None = one("The port; default: the engine's own. Two databases on one server need two.", None)
    directory: DataDirectory | None = one(
        "The directory on each data server, a disk's mount point mostly, that holds the data; default: below /var/lib. "
        "Data that are elsewhere are moved there, replicas first, and the former ones are kept.",
        None,
    )
    huge_pages: Flag = one(
        "true: the shared memory of a postgresql is in huge pages, as many as it says that it needs, which its servers "
        "reserve for it; nothing else gets that memory.",
        False,
    )
    extensions: list[Extension] = many("Extensions in SQL's words, such as vector; their packages come along.", list)
    also: list[DatabaseName] = many(
        "More logical databases in a postgresql or mariadb, each with an owner and a reader of its own; "
        "{{ databases.NAME.url }} leads to each.",
        list,
    )
    backup: ScheduleItem | None = one("Backs it up, and every moment since with it.", None)
    exporter: Flag = one(
        "Has each of its servers tell Prometheus its figures; who asks needs a certificate such as the servers have.",
        False,
    )
    tls: Flag = one(
        "false: a memcached without TLS, for clients that know none. The other engines always have it.", True
    )
    settings: Pairs = many("Settings in the engine's words. They win over those worked out from the server.", dict)

    template: str | None = one(
        "A whole configuration file of the engine instead of the one that is worked out, with Jinja2 in it, beside the "
        "stack file; {{ settings }} is what is worked out. What failover, TLS and logins rely on is said after it, and "
        "wins. A memcached has none.",
        None,
    )

    _name: str = PrivateAttr("")

    @model_validator(mode="after")
    def _somewhere(self) -> Database:
        if self.external is None and not self.servers:
            raise ValueError("needs servers, or external: how one is reached that somebody else runs")
        own = sorted(self.model_fields_set - {"engine", "external"})
        if self.external is not None and own:
            raise ValueError(f"an external database is somebody else's, so it has no {', '.join(own)} here")
        return self

    @property
    def name(self) -> str:
        """Its name in the stack file."""
        return self._name

    @property
    def major(self) -> str:
        """The major version."""
        return self.version or VERSIONS[self.engine][0]

    @property
    def listens(self) -> int:
        """The port of the data servers, and of the names in the stack's networks."""
        return (self.external.port if self.external is not None else self.port) or PORTS[self.engine]

    @property
    def health_port(self) -> int | None:
        """The port on which a data server says what it is; None where it says so on its own port."""
        return self._moved(_HEALTH_PORTS)

    @property
    def peer_port(self) -> int | None:
        """The port by which the data servers speak with each other; None where it is one of the others."""
        return self._moved(_PEER_PORTS)

    @property
    def exporter_port(self) -> int | None:
        """The port on which each data server tells Prometheus its figures; None where it does not."""
        return self._moved(_EXPORTER_PORTS) if self.exporter else None

    def _moved(self, ports: dict[str, int]) -> int | None:
        usual = ports.get(self.engine)
        return usual + self.listens - PORTS[self.engine] if usual is not None else None

    @property
    def agreed(self) -> bool:
        """Whether servers agree by etcd on which of its servers is primary."""
        return (self.engine == "postgresql" and self.external is None) or (
            self.engine == "mariadb" and len(self.servers) > 1
        )

    @property
    def watched(self) -> bool:
        """Whether Sentinels decide which of its servers is primary."""
        return self.engine == "redis" and len(self.servers) > 1

    @property
    def inside(self) -> str:
        """What the logical database of its own name is called inside."""
        return self.called(self._name)

    @staticmethod
    def called(name: str) -> str:
        """What a logical database in it and its owner are called: SQL takes it without quotes."""
        return name.replace("-", "_")

    @property
    def reader(self) -> str | None:
        """The name by which its replicas are reached; None when it has none. All servers of a RabbitMQ serve alike."""
        return f"{self._name}-ro" if len(self.servers) > 1 and self.engine not in ("memcached", "rabbitmq") else None

    @property
    def ports(self) -> list[int]:
        """The ports of its name in the stack's networks: one for each server of a memcached, else one."""
        return [self.listens + index for index in range(len(self.servers) if self.engine == "memcached" else 1)]


def logical(stack: Stack) -> dict[str, Database]:
    """The logical databases, in the order of the file: name → the database in which each is."""
    return {name: each for each in stack.databases.values() for name in (each.name, *each.also)}


def quorum(stack: Stack) -> list[str]:
    """The servers that agree on who is primary: data servers and witnesses first, then the stack's others.

    One for a stack of one or two servers: a majority of two is both of them.
    """
    named = dict.fromkeys(name for each in stack.databases.values() for name in (*each.servers, *each.witnesses))
    if not named:
        return []
    able = list(dict.fromkeys([*named, *stack.servers]))
    size = next((size for size in _QUORUM if len(named) >= size), 3 if len(able) >= 3 else 1)
    return able[:size]


def data_servers(stack: Stack, engine: str) -> list[str]:
    """The servers that hold a database of this engine, in the order of ``servers``."""
    holding = {name for database in stack.databases.values() if database.engine == engine for name in database.servers}
    return [name for name in stack.servers if name in holding]


def routers(stack: Stack) -> dict[str, Service]:
    """The services that take containers to the databases, by name.

    One for each name of a database, since both of its names are to have the same port.
    """
    result = {}
    for database in stack.databases.values():
        if database.external is not None:
            continue
        for name in filter(None, (database.name, database.reader)):
            router = Service.model_validate(_router(stack, database, name))
            router._name, router._stack = name, stack
            result[name] = router
    return result


def _router(stack: Stack, database: Database, name: str) -> dict[str, Any]:
    hosts = len(stack.docker_hosts())
    networks = [
        "default",
        *(net for each in stack.services.values() if database.name in used_databases(each) for net in each.networks),
    ]
    router: dict[str, Any] = {
        "image": stack.load_balancer.image,
        "command": ["haproxy", "-W", "-db", "-f", f"{_ROUTER_DIRECTORY}/haproxy.cfg"],
        "user": "99:99",
        "read_only": True,
        "cap_drop": ["ALL"],
        # No new sessions, and this long for those that are there to end by themselves.
        "stop_signal": "SIGUSR1",
        "stop_grace_period": "10s",
        "healthcheck": {"http": "/", "port": _ROUTER_HEALTH, "interval": "10s", "start_period": "10s"},
        "replicas": min(hosts, _ROUTERS),
        "volumes": [
            {
                "type": "bind",
                "source": f"/etc/longshore/{stack.name}/databases/{name}",
                "target": _ROUTER_DIRECTORY,
                "read_only": True,
            }
        ],
        "networks": {network: {} for network in networks},
        "update": {"monitor": "3s"},
    }
    if hosts > 1:
        # Where each server has its router there is no room for one more.
        router["placement"] = {"max_per_server": 1}
        router["update"]["order"] = "stop-first"
    return router
