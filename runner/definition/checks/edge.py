# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the load balancers are asked for fits together: routes of their own, ports, logins, pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..edge import PAGE_BYTES
from ..file_text import read
from ..problems import suggestion
from ..scalars import is_ip
from ..servers import resolved
from ..values import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..edge import RouteRules
    from ..service import Route
    from ..stack import Stack
    from .context import Context

Path = tuple[str | int, ...]
Taken = dict[tuple[str, str, str], str]
# What crypt(3) makes (haproxy_logins).
_HASHED = re.compile(r"\$[0-9a-z]+\$[A-Za-z0-9./$=,]{8,200}")


def key(route: RouteRules) -> tuple[str, str, str]:
    """What no two routes have in common."""
    match = route.match
    if match is None:
        return route.host or "", route.path.rstrip("/"), ""
    headers = sorted((name.lower(), value) for name, value in match.headers.items())
    return route.host or "", route.path.rstrip("/"), repr((sorted(set(match.methods)), headers))


def redirected(context: Context, name: str, index: int, route: Route, taken: Taken) -> None:
    """Check the hosts that are redirected to a route."""
    path: Path = ("services", name, "routes", index, "redirect_from")
    if route.redirect_from and (not route.host or route.host.startswith("*")):
        context.complain(path, "needs a route with a whole host name: where would they be redirected to?")
    for number, host in enumerate(route.redirect_from):
        claimed = (host, route.path.rstrip("/"), "")
        if claimed in taken:
            context.complain((*path, number), f"{host}{route.path} is routed too")
        taken.setdefault(claimed, name)


def routes(context: Context, taken: Taken) -> None:
    """Check the load balancers' own routes beside those of services, which have ``taken`` theirs."""
    for index, route in enumerate(context.stack.load_balancer.routes):
        if key(route) in taken:
            whose = taken[key(route)]
            context.complain(
                ("load_balancer", "routes", index),
                f"{route.host or 'every host'}{route.path} is "
                + (f"a route of '{whose}' too" if whose else "another of these routes too"),
            )
        taken.setdefault(key(route), "")


def check(context: Context) -> None:
    """Check what routes, ports and snippets name, and what logins and pages hold."""
    balancer = context.stack.load_balancer
    for path, route in _all(context.stack):
        _route(context, path, route)
    for index, port in enumerate(balancer.ports):
        if port.service is not None:
            context.expect("services", port.service, ("load_balancer", "ports", index), "service")
    for name in balancer.snippets.backend:
        place = ("load_balancer", "snippets", "backend", name)
        if context.expect("services", name, place, "service") and name in context.stack.services:
            service = context.stack.services[name]
            if context.kept(name, "routes") and not service.routes and not service.tcp_ports:
                context.complain(place, f"'{name}' has no routes, so it has no backend", key=True)
    _logins(context)
    for status, file in balancer.pages.items():
        _page(context, status, file)


def _logins(context: Context) -> None:
    for name, users in context.stack.load_balancer.logins.items():
        for user, value in users.items():
            if not is_secret(value) and not _HASHED.fullmatch(value):
                path = ("load_balancer", "logins", name, user)
                context.complain(path, "is not a hashed password", "'openssl passwd -5' makes one")


def _all(stack: Stack) -> Iterator[tuple[Path, RouteRules]]:
    for name, service in stack.services.items():
        for index, route in enumerate(service.routes):
            yield ("services", name, "routes", index), route
    for index, own in enumerate(stack.load_balancer.routes):
        yield ("load_balancer", "routes", index), own


def _route(context: Context, path: Path, route: RouteRules) -> None:
    logins = context.stack.load_balancer.logins
    if route.auth is not None and "load_balancer" not in context.lost and not logins.get(route.auth.users):
        context.complain(
            (*path, "auth"),
            f"no list of users '{route.auth.users}' in load_balancer.logins",
            suggestion(route.auth.users, logins),
        )
    if route.scheme == "https" and route.verify is None:
        servers = getattr(route, "servers", [])
        if not servers or any(is_ip(server.address) for server in servers):
            context.complain(
                (*path, "scheme"),
                "whose certificate is right?",
                "say verify: NAME, verify: {ca: FILE} for an authority of your own, or verify: false",
            )


def files(stack: Stack) -> Iterator[tuple[Path, str]]:
    """The files that are named here, with their places."""
    for path, route in _all(stack):
        if route.verify and route.verify.ca is not None:
            yield (*path, "verify", "ca"), route.verify.ca
    for status, file in stack.load_balancer.pages.items():
        yield ("load_balancer", "pages", status), file
    if (waf := stack.load_balancer.waf) is not None and waf.rules is not None:
        yield ("load_balancer", "waf", "rules"), waf.rules


def _page(context: Context, status: str, name: str) -> None:
    """A page that is there has to fit into HAProxy's buffer; that it is there is checked with all files."""
    file = resolved(context.stack.path, name)
    try:
        size = len(read(file).encode()) if file is not None and file.is_file() else None
    except (OSError, ValueError):
        return
    if size is not None and not 0 < size <= PAGE_BYTES:
        context.complain(
            ("load_balancer", "pages", status),
            f"has {size} bytes; HAProxy answers with 1 to {PAGE_BYTES}",
            "let it load pictures and styles from elsewhere",
        )
