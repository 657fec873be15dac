# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers: addresses, names, the way to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..problems import suggestion
from ..scalars import is_address, is_ip
from ..servers import split_host

if TYPE_CHECKING:
    from .context import Context

# Ansible's own names, and the inventory's groups: a host of the same name would be mistaken for one.
RESERVED = frozenset(
    {
        "all",
        "builder",
        "data_server",
        "etcd",
        "external_database",
        "firewall",
        "localhost",
        "longshore",
        "mariadb",
        "memcached",
        "postgresql",
        "rabbitmq",
        "registry",
        "sentinel",
        "ungrouped",
        "valkey",
    }
)


def check(context: Context) -> None:
    """Check the section ``servers`` and ``ssh``."""
    _addresses(context)
    stack = context.stack
    for name in stack.servers:
        if name in RESERVED:
            context.complain(("servers", name), f"a server can't be called '{name}': a group has that name", key=True)
    if stack.ssh.gateway is not None:
        _gateway(context, stack.ssh.gateway, ("ssh", "gateway"))
    for name, server in stack.servers.items():
        if server.ssh.gateway is not None:
            _gateway(context, server.ssh.gateway, ("servers", name, "ssh", "gateway"))
            _circle(context, name)
    _managers(context)
    if stack.registry.server is not None:
        path = ("registry", "server")
        known = context.expect("servers", stack.registry.server, path, "server")
        if known and stack.registry.server in stack.servers and stack.registry.server not in stack.docker_hosts():
            context.complain(path, f"'{stack.registry.server}' runs no containers: db is its only tag")
    if context.whole("servers", "services") and not stack.docker_hosts() and stack.services:
        context.complain(("servers",), "no server runs containers: db is the only tag of each", key=True)


def _managers(context: Context) -> None:
    told = [name for name, server in context.stack.servers.items() if server.manager]
    if len(told) > 1 and len(told) % 2 == 0 and context.whole("servers"):
        words = f"{len(told)} managers survive no more losses than {len(told) - 1} would"
        context.complain(("servers", told[-1], "manager"), words, f"make it {len(told) - 1} or {len(told) + 1}")


def _addresses(context: Context) -> None:
    stack = context.stack
    reached: dict[tuple[str, int, str], str] = {}
    private: dict[str, str] = {}
    for name, server in stack.servers.items():
        if name in context.hurt:
            continue
        way = (server.address, server.ssh.port or stack.ssh.port or 22, server.ssh.gateway or stack.ssh.gateway or "")
        if way in reached:
            context.complain(("servers", name, "address"), f"is the address of '{reached[way]}' too")
        elif private.get(server.private) is not None:
            place = "private_address" if server.private_address else "address"
            context.complain(("servers", name, place), f"is the private address of '{private[server.private]}' too")
        if not is_ip(server.private):
            words = "is a host name, and the other servers need an IP address"
            context.complain(("servers", name, "address"), words, "give private_address besides")
        reached.setdefault(way, name)
        private.setdefault(server.private, name)


def _gateway(context: Context, gateway: str, path: tuple[str | int, ...]) -> None:
    if gateway in context.names("servers") or "servers" in context.lost:
        return
    user, host, _port = split_host(gateway)
    if not is_address(host) or any(part.startswith("-") for part in (user or "", host)):
        context.complain(path, "must be a server's name or a host such as ops@gate.example:22")
    elif user is None and not set(gateway) & set(".:"):
        context.complain(path, f"no server '{gateway}' in servers", suggestion(gateway, context.names("servers")))


def _circle(context: Context, name: str) -> None:
    servers = context.stack.servers
    seen, current = {name}, servers[name].ssh.gateway
    while current is not None and current in servers:
        if current in seen:
            if current == name:
                context.complain(("servers", name, "ssh", "gateway"), "the gateways lead back to this server")
            return
        seen.add(current)
        current = servers[current].ssh.gateway
