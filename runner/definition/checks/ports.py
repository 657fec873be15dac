# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of servers and routes of load balancers: each can be given once, and the statistics are not for everybody."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from .. import fixed_ports
from ..databases import PORTS as DATABASE_PORTS
from ..https import PORT as CERTIFICATES_PORT
from ..normalize import order
from . import edge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..stack import Stack
    from .context import Context

# A load balancer learns a service's addresses from one answer of DNS, which holds no more.
MOST_ROUTED = 750

_Taken = dict[tuple[str, int, str], str]
# Servers, port, what it is, and the place in the file.
_Use = tuple["Iterable[str]", int, str, tuple[str | int, ...]]


def check(context: Context) -> None:
    """Check routes, and published ports where all servers are known."""
    _routes(context)
    _statistics(context)
    if context.whole("servers"):
        _ports(context)


def _routes(context: Context) -> None:
    taken: dict[tuple[str, str, str], str] = {}
    for name, service in context.whole_services():
        for index, route in enumerate(service.routes):
            key = edge.key(route)
            if key in taken:
                whose = "another route of this service" if taken[key] == name else f"a route of '{taken[key]}'"
                context.complain(
                    ("services", name, "routes", index), f"{route.host or 'every host'}{route.path} is {whose} too"
                )
            taken.setdefault(key, name)
            edge.redirected(context, name, index, route, taken)
        most = service.replicas
        if order(service) == "start-first":
            most += min(service.update.parallelism, service.replicas)
        if (service.routes or service.tcp_ports) and most > MOST_ROUTED:
            context.complain(
                ("services", name, "replicas"),
                f"{most} tasks, those of an update included: behind routes there is room for {MOST_ROUTED}",
                "split it into several services",
            )
    edge.routes(context, taken)


def _statistics(context: Context) -> None:
    balancer = context.stack.load_balancer
    for name, part in (("stats", balancer.stats), ("metrics", balancer.metrics)):
        if part is None:
            continue
        path = ("load_balancer", name, "address")
        try:
            address = ipaddress.ip_address(part.address)
        except ValueError:
            context.complain(path, "must be an IP address such as 127.0.0.1: a name says not on which one to listen")
            continue
        if not address.is_loopback and not balancer.stats.password:
            context.complain(
                path, f"{address} can be reached from outside", "give stats.password, or leave out address"
            )


def _ports(context: Context) -> None:
    taken = _reserved(context)
    for name, service in context.whole_services():
        published = [(index, port) for index, port in enumerate(service.ports) if port.published is not None]
        if not published:
            continue
        servers = context.stack.eligible_servers(service)
        own: _Taken = {}
        for index, port in published:
            path = ("services", name, "ports", index)
            first = port.published or 0
            if first + port.count > 65536 or port.target + port.count > 65536:
                context.complain(path, "the range goes beyond 65535")
                continue
            for number in range(first, first + port.count):
                keys = [(server, number, port.protocol) for server in servers]
                clash = next((key for key in keys if key in taken or key in own), None)
                if clash is not None:
                    holder = taken.get(clash) or own[clash]
                    context.complain(path, f"port {number}/{port.protocol} of {clash[0]} is taken by {holder}")
                    break
                own.update(dict.fromkeys(keys, "another port of this service"))
        taken.update(dict.fromkeys(own, f"the service '{name}'"))


def _reserved(context: Context) -> _Taken:
    """The ports that the servers use themselves; two uses of one are complained about."""
    stack = context.stack
    hosts = stack.docker_hosts()
    taken: _Taken = {(name, number, protocol): "Swarm" for name in hosts for number, protocol in fixed_ports.SWARM}
    registry = stack.registry_server()
    if registry is not None:
        taken[(registry, fixed_ports.REGISTRY, "tcp")] = "the registry"

    def reserve(servers: Iterable[str], number: int, holder: str, *path: str | int) -> None:
        keys = [(name, number, "tcp") for name in servers]
        clash = next((key for key in keys if key in taken), None)
        if clash is not None:
            context.complain(path, f"port {number}/tcp of {clash[0]} is taken by {taken[clash]}")
        for key in keys:
            taken.setdefault(key, holder)

    own = {name: port for name in hosts if (port := stack.servers[name].ssh.port) is not None}
    for name, port in own.items():
        reserve([name], port, "SSH", "servers", name, "ssh", "port")
    reserve([name for name in hosts if name not in own], stack.ssh.port or 22, "SSH", "ssh", "port")
    for servers, number, holder, place in [*_balancers(stack), *_databases(stack)]:
        reserve(servers, number, holder, *place)
    return taken


def _balancers(stack: Stack) -> Iterator[_Use]:
    balancer, balancers = stack.load_balancer, stack.load_balancers()
    yield balancers, balancer.http_port, "the load balancer", ("load_balancer", "http_port")
    yield balancers, balancer.stats.port, "the load balancer's statistics", ("load_balancer", "stats", "port")
    if balancer.metrics is not None:
        yield balancers, balancer.metrics.port, "the load balancer's metrics", ("load_balancer", "metrics", "port")
    for index, passed in enumerate(balancer.ports):
        yield balancers, passed.published, "the load balancer", ("load_balancer", "ports", index)
    if balancer.tls is not None:
        yield balancers, balancer.https_port, "the load balancer", ("load_balancer", "https_port")
        if balancer.tls.acme is not None and len(balancers) > 1:
            yield balancers, CERTIFICATES_PORT, "the load balancers' certificates", ("load_balancer", "tls", "acme")


def _databases(stack: Stack) -> Iterator[_Use]:
    """Servers, port, what it is, and the place in the file."""
    for name, database in stack.databases.items():
        if database.engine in DATABASE_PORTS:
            ports = (database.listens, database.health_port, database.peer_port, database.exporter_port)
            for number in filter(None, ports):
                yield database.servers, number, f"the database '{name}'", ("databases", name)
    server, kept = stack.backup_server(), stack.backed_up("pgbackrest")
    if server is not None and kept:
        servers = dict.fromkeys([server, *(name for database in kept for name in database.servers)])
        yield servers, fixed_ports.BACKUP, "the backups of databases", ("databases",)
    for number in fixed_ports.QUORUM:
        yield stack.etcd_members(), number, "the databases' quorum", ("databases",)
    yield stack.sentinels(), fixed_ports.SENTINEL, "the databases' quorum", ("databases",)
    yield stack.data_servers("rabbitmq"), fixed_ports.EPMD, "RabbitMQ's nodes", ("databases",)
