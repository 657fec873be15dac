# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes, backends and ports of the load balancers' role: where requests and connections go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.module_utils.haproxy_slots import surge
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import waf

if TYPE_CHECKING:
    from longshore.definition.edge import RouteRules, StaticServer, TcpPort, Upstream, Verify
    from longshore.definition.service import Route, Service
    from longshore.definition.stack import Stack

# Keys of a route that the role calls the same; what is empty is left out.
_RULES = ("rewrite", "allow", "deny", "request_headers", "response_headers")


class Places:
    """What a stack's file says of routes and ports, as the role takes it.

    A service's port is one backend, ``web_3000``; where its routes ask for different ways to speak with it
    (``balance``, ``timeouts`` …), each further way is one more: ``web_3000.2``.
    """

    def __init__(self, definition: Stack) -> None:
        self._definition = definition
        self._ways: dict[tuple[str, int], list[dict[str, Any]]] = {}
        self.routes: list[dict[str, Any]] = []
        self.backends: dict[str, dict[str, Any]] = {}
        self.ports: list[dict[str, Any]] = []
        for service in definition.services.values():
            for number, route in enumerate(service.routes, 1):
                self._add(service, route, waf.rules(definition, route, f"{service.name}.{number}"))
        for number, own in enumerate(definition.load_balancer.routes, 1):
            judged = waf.rules(definition, own, f"static.{number}")
            made = {"host": own.host, "path": own.path, **self._rules(own), **judged}
            if own.redirect is not None:
                self.routes.append({**made, "redirect": own.redirect.model_dump()})
                continue
            check = {"http": own.check} if own.check is not None else {"tcp": True}
            name = f"static.{number}"
            self.backends[name] = {"servers": _servers(own.servers), "check": check, **self._way(own)}
            self.routes.append({**made, "backend": name, "sticky": own.stays})
        for port in definition.load_balancer.ports:
            self._port(port)

    def of_service(self, name: str) -> list[str]:
        """The backends of a service."""
        own = f"{self._definition.name}_{name}"
        return [backend for backend, its in self.backends.items() if its.get("service") == own]

    def _add(self, service: Service, route: Route, judged: dict[str, Any]) -> None:
        backend = self._backend(service, route.port, self._way(route))
        made = {"path": route.path, **self._rules(route), **judged}
        self.routes.append({"host": route.host, **made, "backend": backend, "sticky": route.stays})
        self.routes += [
            {"host": host, "path": route.path, "redirect": {"to": f"//{route.host}"}} for host in route.redirect_from
        ]

    def _port(self, port: TcpPort) -> None:
        way: dict[str, Any] = {"balance": port.balance}
        way.update({name: value for name in ("send_proxy", "maxconn") if (value := getattr(port, name)) is not None})
        if port.service is not None:
            service = self._definition.services[port.service]
            backend = self._backend(service, port.target or port.published, way)
        else:
            backend = f"port.{port.published}"
            self.backends[backend] = {"servers": _servers(port.servers), "check": {"tcp": True}, **way}
        made: dict[str, Any] = {"port": port.published, "backend": backend}
        made.update({name: value for name in ("allow", "deny", "timeout") if (value := getattr(port, name))})
        self.ports.append(made)

    def _backend(self, service: Service, port: int, way: dict[str, Any]) -> str:
        """The name of the backend that speaks so with the service; it is made when it is new."""
        ways = self._ways.setdefault((service.name, port), [])
        if way not in ways:
            ways.append(way)
        number = ways.index(way) + 1
        name = f"{service.name}_{port}" + (f".{number}" if number > 1 else "")
        if name not in self.backends:
            self.backends[name] = {**_tasks(self._definition, service, port), **way}
        return name

    def _way(self, upstream: Upstream) -> dict[str, Any]:
        """How a load balancer speaks with what is behind it; defaults are left out."""
        way: dict[str, Any] = {}
        if upstream.balance != "roundrobin":
            way["balance"] = upstream.balance
        if upstream.scheme != "http":
            way["scheme"] = upstream.scheme
        if upstream.verify is not None:
            way["verify"] = self._verify(upstream.verify) if upstream.verify else False
        way.update(
            {
                name: value
                for name in ("send_proxy", "maxconn", "slow_start", "compression")
                if (value := getattr(upstream, name))
            }
        )
        timeouts = upstream.timeouts.model_dump(exclude_none=True)
        return {**way, "timeouts": timeouts} if timeouts else way

    def _verify(self, verify: Verify) -> dict[str, str]:
        made = {"name": verify.name} if verify.name is not None else {}
        return {**made, "ca": self._definition.text(verify.ca)} if verify.ca is not None else made

    @staticmethod
    def _rules(route: RouteRules) -> dict[str, Any]:
        rules: dict[str, Any] = {name: value for name in _RULES if (value := getattr(route, name))}
        if route.match is not None:
            rules["match"] = route.match.model_dump()
        if route.auth is not None:
            rules["auth"] = route.auth.model_dump()
        return rules


def _servers(servers: list[StaticServer]) -> list[dict[str, Any]]:
    return [server.model_dump(exclude_none=True) for server in servers]


def _tasks(definition: Stack, service: Service, port: int) -> dict[str, Any]:
    known = service.normalized()
    wanted = len(definition.eligible_servers(service)) if known["mode"] == "global" else known["replicas"]
    more = surge(wanted, known["update"]["parallelism"]) if known["update"]["order"] == "start-first" else 0
    backend: dict[str, Any] = {
        "service": f"{definition.name}_{service.name}",
        "port": port,
        "maximum": max(1, wanted + more),
        "check": {"tcp": True},
    }
    check = known["healthcheck"]
    if check is not None and check["http"] is not None and check["port"] == port:
        backend["check"] = {"http": check["http"]}
    return backend
