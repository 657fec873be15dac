# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the roles that bring images and services to the servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import databases, registries, secrets

if TYPE_CHECKING:
    from longshore.definition.resources import Config, Network
    from longshore.definition.stack import Stack


RUN = trust_as_template("{{ longshore_run }}")


def variables(definition: Stack) -> dict[str, Any]:
    """What is the same on every server."""
    normalized = {name: service.normalized() for name, service in definition.services.items()}
    normalized |= databases.services(definition)
    return {
        "secrets": secrets.of_stack(definition),
        "services_stack": definition.name,
        "services_services": normalized,
        "services_networks": {"default": {}, **{name: _network(used) for name, used in definition.networks.items()}},
        "services_configs": {name: _content(definition, config) for name, config in definition.configs.items()},
        "services_secrets": secrets.of_stack(definition),
        "services_environments": secrets.of_environments(definition),
        "services_registry_auth": registries.logins(definition),
        "services_only": trust_as_template("{{ longshore_services | default([]) }}"),
        "services_run": RUN,
        "longshore_pulls": {name: known["image"] for name, known in normalized.items() if known["image"]},
        "longshore_builds": {name: known["build"] for name, known in normalized.items() if known["build"]},
        "images_stack": definition.name,
        "images_pulled": _chosen("longshore_pulls"),
        "images_built": trust_as_template("{{ build_services | list }}"),
        "images_builders": definition.builders(),
        "images_registry_auth": registries.logins(definition),
        "images_from": list(dict.fromkeys([*definition.managers(), *definition.builders()])),
        "images_run": RUN,
        "build_stack": definition.name,
        "build_services": _chosen("longshore_builds"),
        "build_registry_auth": registries.logins(definition),
        "build_git_auth": _git_logins(definition),
        "build_run": RUN,
    }


def of_server(definition: Stack, name: str) -> dict[str, Any]:
    """``images_services``: the services whose tasks this server may run."""
    return {
        "images_services": [
            service.name
            for service in (*definition.services.values(), *definition.routers().values())
            if name in definition.eligible_servers(service)
        ]
    }


def _chosen(variable: str) -> Any:
    # `longshore deploy SERVICE…` names some; none means all.
    return trust_as_template(
        "{{ "
        + variable
        + " if services_only | length == 0 else "
        + variable
        + " | dict2items | selectattr('key', 'in', services_only) | items2dict }}"
    )


def _git_logins(definition: Stack) -> list[dict[str, Any]]:
    """Each service's own login: two repositories of one server may need different ones."""
    found = []
    for name, service in definition.services.items():
        if service.build is None or service.build.auth is None:
            continue
        auth = service.build.auth
        given = {part: getattr(auth, part) for part in ("username", "password", "ssh_key")}
        login: dict[str, Any] = {part: secrets.trusted(value) for part, value in given.items() if value is not None}
        if auth.known_hosts is not None:
            login["known_hosts"] = definition.text(auth.known_hosts)
        found.append({"services": [name], **login})
    return found


def _network(network: Network) -> dict[str, Any]:
    return {
        "internal": network.internal,
        "attachable": network.attachable,
        "driver_opts": {"encrypted": ""} if network.encrypted else {},
    }


def _content(definition: Stack, config: Config) -> str | None:
    return config.content if config.file is None else definition.text(config.file)
