# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the load balancers' role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.module_utils.registry_auth import registry_of
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import secrets
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory.edge_places import Places

if TYPE_CHECKING:
    from longshore.definition.stack import Stack


def variables(definition: Stack) -> dict[str, Any]:
    """``haproxy_*``: this stack's routes, and the balancers' own settings."""
    balancer = definition.load_balancer
    result: dict[str, Any] = {
        "haproxy_stack": definition.name,
        **_parts(definition),
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
        "haproxy_trusted_proxies": balancer.trusted_proxies,
        "haproxy_client_header": balancer.client_header,
        "haproxy_accept_proxy": balancer.accept_proxy,
    }
    if balancer.metrics is not None:
        result["haproxy_metrics_address"] = balancer.metrics.address
        result["haproxy_metrics_port"] = balancer.metrics.port
    if balancer.stats.password is not None:
        result["haproxy_stats_password"] = secrets.trusted(balancer.stats.password)
    return result


def _parts(definition: Stack) -> dict[str, Any]:
    """What is this stack's alone."""
    balancer = definition.load_balancer
    places = Places(definition)
    return {
        "haproxy_routes": places.routes,
        "haproxy_backends": places.backends,
        "haproxy_ports": places.ports,
        "haproxy_logins": {
            name: {user: secrets.trusted(password) for user, password in users.items()}
            for name, users in balancer.logins.items()
        },
        "haproxy_pages": {status: definition.text(file) for status, file in balancer.pages.items()},
        "haproxy_maintenance": {
            "allow": balancer.maintenance.allow,
            "retry_after": round(balancer.maintenance.retry_after),
        },
        "haproxy_snippets": _snippets(definition, places),
    }


def _snippets(definition: Stack, places: Places) -> dict[str, Any]:
    given = definition.load_balancer.snippets
    whole = {
        "global": given.of_global,
        "defaults": given.defaults,
        "frontend": given.frontend,
        "sections": given.sections,
    }
    backend = {name: text for service, text in given.backend.items() for name in places.of_service(service)}
    return {**{name: text for name, text in whole.items() if text}, **({"backend": backend} if backend else {})}
