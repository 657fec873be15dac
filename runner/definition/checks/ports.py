# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of servers and routes of load balancers: each can be given once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .context import Context

# What Swarm uses between servers (docs.docker.com, "Open protocols and ports between the hosts").
_SWARM = ((2377, "tcp"), (7946, "tcp"), (7946, "udp"), (4789, "udp"))
REGISTRY_PORT = 5000

_Taken = dict[tuple[str, int, str], str]


def check(context: Context) -> None:
    """Check routes, and published ports where all servers are known."""
    _routes(context)
    if context.whole("servers"):
        _ports(context)


def _routes(context: Context) -> None:
    taken: dict[tuple[str, str], str] = {}
    for name, service in context.whole_services():
        for index, route in enumerate(service.routes):
            key = (route.host or "", route.path.rstrip("/"))
            if key in taken:
                whose = "another route of this service" if taken[key] == name else f"a route of '{taken[key]}'"
                context.complain(
                    ("services", name, "routes", index), f"{route.host or 'every host'}{route.path} is {whose} too"
                )
            taken.setdefault(key, name)


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
    stack = context.stack
    taken: _Taken = {}
    for name in stack.docker_hosts():
        server = stack.servers[name]
        taken[(name, server.ssh.port or stack.ssh.port or 22, "tcp")] = "SSH"
        for number, protocol in _SWARM:
            taken[(name, number, protocol)] = "Swarm"
    for name in stack.load_balancers():
        taken[(name, stack.load_balancer.http_port, "tcp")] = "the load balancer"
        taken[(name, stack.load_balancer.stats.port, "tcp")] = "the load balancer's statistics"
        if stack.load_balancer.tls is not None:
            taken[(name, stack.load_balancer.https_port, "tcp")] = "the load balancer"
    registry = stack.registry_server()
    if registry is not None:
        taken[(registry, REGISTRY_PORT, "tcp")] = "the registry"
    return taken
