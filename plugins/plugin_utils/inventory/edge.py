# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the load balancers' role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_slots import surge
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import registry_of
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import secrets

if TYPE_CHECKING:
    from longshore.definition.service import Service
    from longshore.definition.stack import Stack


def variables(definition: Stack) -> dict[str, Any]:
    """``haproxy_*``: this stack's routes, and the balancers' own settings."""
    balancer = definition.load_balancer
    result: dict[str, Any] = {
        "haproxy_stack": definition.name,
        "haproxy_routes": [
            {"host": route.host, "path": route.path, "backend": _backend(service, route.port), "sticky": route.sticky}
            for service in definition.services.values()
            for route in service.routes
        ],
        "haproxy_backends": {
            _backend(service, route.port): _tasks(definition, service, route.port)
            for service in definition.services.values()
            for route in service.routes
        },
        "haproxy_registry_auth": [
            {"registry": registry, **login}
            for registry, login in secrets.logins(definition).items()
            if registry == registry_of(balancer.image)
        ],
        "haproxy_run": trust_as_template("{{ longshore_run }}"),
        "haproxy_image": balancer.image,
        "haproxy_http_port": balancer.http_port,
        "haproxy_maxconn": balancer.maxconn or 0,
        "haproxy_drain": balancer.drain,
        "haproxy_stats_address": balancer.stats.address,
        "haproxy_stats_port": balancer.stats.port,
        "haproxy_stats_user": balancer.stats.user,
    }
    if balancer.stats.password is not None:
        result["haproxy_stats_password"] = secrets.trusted(balancer.stats.password)
    return result


def _backend(service: Service, port: int) -> str:
    return f"{service.name}_{port}"


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
