# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether tasks find servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..normalize import has_fixed_port, local_volumes, order
from ..problems import suggestion

if TYPE_CHECKING:
    from ..service import Service
    from .context import Context

Path = tuple[str | int, ...]
# The keys of a service that decide where its tasks may be.
_PLACING = ("volumes", "mode", "replicas", "update", "ports")


def check(context: Context) -> None:
    """Check placement, where all servers are known."""
    if not context.whole("servers"):
        return
    tags = {tag for server in context.stack.servers.values() for tag in server.tags}
    for name, service in context.stack.services.items():
        if not context.kept(name, "placement"):
            continue
        wrong = [(index, tag) for index, tag in enumerate(service.placement.tags) if tag not in tags]
        for index, tag in wrong:
            context.complain(
                ("services", name, "placement", "tags", index), f"no server has the tag '{tag}'", suggestion(tag, tags)
            )
        if not wrong and context.whole("volumes") and context.kept(name, *_PLACING):
            _service(context, name, service)
    if context.stack.has_routes() and not context.stack.load_balancers():
        first = next((name for name, service in context.stack.services.items() if service.routes), None)
        own = "routes" if context.stack.load_balancer.routes else "ports"
        path = ("services", first, "routes") if first is not None else ("load_balancer", own)
        context.complain(path, "no server has the tag lb, so nothing would listen", key=True)
    named = not context.broken.get("services") and "services" not in context.lost
    if named and all(context.kept(name, "placement", "volumes") for name in context.stack.services):
        _volumes(context)


def _service(context: Context, name: str, service: Service) -> None:
    servers = context.stack.eligible_servers(service)
    base: Path = ("services", name)
    if not servers:
        if context.stack.docker_hosts():
            context.complain(base, "no server has all of its tags and volumes", key=True)
        return
    if service.mode == "global":
        return
    limits = [(service.placement.max_per_server, "max_per_server")] if service.placement.max_per_server else []
    if has_fixed_port(service):
        limits.append((1, "a fixed port"))
    if not limits:
        return
    each, why = min(limits)
    surge = min(service.update.parallelism, service.replicas) if order(service) == "start-first" else 0
    room = len(servers) * (each or 1)
    if service.replicas + surge > room:
        more = f" and {surge} more while it updates start-first" if surge else ""
        number = f"{len(servers)} server{'s' if len(servers) > 1 else ''}"
        context.complain(
            (*base, "replicas"),
            f"{service.replicas} replicas{more} can't be placed: {number} × {each} ({why}) = {room}",
        )


def _volumes(context: Context) -> None:
    """A local volume is on one server: the one it names, or the only one that its services can run on."""
    stack = context.stack
    users: dict[str, list[Service]] = {}
    for service in stack.services.values():
        for mounted in local_volumes(service):
            users.setdefault(mounted, []).append(service)
    for name, volume in stack.volumes.items():
        if volume.type != "local":
            continue
        if volume.server is not None:
            if volume.server in stack.servers and volume.server not in stack.docker_hosts():
                context.complain(
                    ("volumes", name, "server"), f"'{volume.server}' runs no containers: db is its only tag"
                )
            continue
        places = {place for service in users.get(name, ()) for place in stack.eligible_servers(service)}
        if len(places) > 1:
            shown = ", ".join(sorted(places)[:5]) + (", …" if len(places) > 5 else "")
            context.complain(
                ("volumes", name), f"a local volume needs its server: its services may run on {shown}", key=True
            )
