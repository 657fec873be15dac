# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the roles that prepare a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import (
    backups,
    exporters,
    registries,
    virtual_ip,
)

if TYPE_CHECKING:
    from longshore.definition.cluster import Docker
    from longshore.definition.stack import Stack


def variables(definition: Stack, name: str) -> dict[str, Any]:
    """``server_*``, ``docker_host_*``, ``swarm_*`` and ``storage_*`` of one server."""
    result = {**_server(definition, name)}
    if name in definition.docker_hosts():
        result |= _docker_host(definition.docker) | _swarm(definition, name) | _storage(definition, name)
        result["docker_host_managers"] = definition.managers()
    return result


def _server(definition: Stack, name: str) -> dict[str, Any]:
    server = definition.servers[name]
    registry = definition.registry_server()
    hosts = [{"name": other, "address": each.private, "aliases": []} for other, each in definition.servers.items()]
    if registry is not None:
        address = definition.servers[registry].private
        hosts.append({"name": registries.HOST, "address": address, "aliases": []})
    return {
        "server_hostname": name,
        "server_timezone": definition.timezone or "",
        "server_sysctl": {**definition.sysctl, **server.sysctl},
        "server_users": [
            {
                "name": user,
                "state": person.state,
                "keys": definition.public_keys(person.keys),
                "shell": person.shell,
                "groups": person.groups,
                "sudo": "ALL=(ALL) NOPASSWD:ALL" if person.sudo else "",
                "expires": person.expires or "",
            }
            for user, person in definition.users.items()
        ],
        "server_ca_certificates": {
            definition.file(path).stem: definition.text(path) for path in definition.ca_certificates
        },
        "server_unattended_upgrades": definition.unattended_upgrades.enabled,
        "server_hosts": hosts,
        "server_stack": definition.name,
        "server_units_former": backups.former_units(definition, name)
        + exporters.former_units(definition, name)
        + virtual_ip.former_units(definition, name),
        "server_cluster": _cluster(definition, name),
    }


def _cluster(definition: Stack, name: str) -> dict[str, Any]:
    """Setting → value, of what a server has once for all its stacks, as the stack file names it. None: not said."""
    server = definition.servers[name]
    registry = definition.registry_server()
    says: dict[str, Any] = {
        "name of this server": name,
        "timezone": definition.timezone,
        "sysctl": {**definition.sysctl, **server.sysctl},
        "hardening": definition.hardening.model_dump(mode="json") if definition.hardening is not None else None,
        "unattended_upgrades": definition.unattended_upgrades.model_dump(mode="json"),
        "registry.server": f"{registry} at {definition.servers[registry].private}" if registry is not None else None,
    }
    for address in definition.load_balancer.virtual_ip if name in virtual_ip.servers(definition) else ():
        says[f"load_balancer.virtual_ip {address}"] = f"it is the stack {definition.name}'s, which one alone can have"
    for user, person in definition.users.items():
        says[f"users.{user}"] = person.model_dump(mode="json") | {"keys": definition.public_keys(person.keys)}
    if name in definition.docker_hosts():
        # What is left out there has an effect too: daemon.json has our default.
        for section, model in (("docker", definition.docker), ("swarm", definition.swarm)):
            for key, value in model.model_dump(mode="json").items():
                says[f"{section}.{key}"] = "default" if value is None else value
    return says


def _docker_host(docker: Docker) -> dict[str, Any]:
    daemon = dict(docker.daemon)
    if docker.log is not None:
        daemon |= {"log-driver": docker.log.driver, "log-opts": docker.log.options}
    if docker.default_address_pools:
        daemon["default-address-pools"] = [
            {"base": str(pool.base), "size": pool.size} for pool in docker.default_address_pools
        ]
    repository = {
        "docker_host_repository": docker.repository,
        "docker_host_repository_key": docker.repository_key,
    }
    return {
        **{name: value for name, value in repository.items() if value},
        "docker_host_source": docker.source,
        "docker_host_daemon": daemon,
        "docker_host_registry_mirrors": docker.registry_mirrors,
        "docker_host_insecure_registries": docker.insecure_registries,
        "docker_host_prune": docker.prune.images,
        "docker_host_prune_days": max(1, round(docker.prune.keep / 86400)),
        "docker_host_prune_build_cache": docker.prune.build_cache,
    }


def _swarm(definition: Stack, name: str) -> dict[str, Any]:
    server = definition.servers[name]
    prefix = f"longshore.{definition.name}"
    labels = {f"{prefix}.server": name, f"{prefix}.member": "true"}
    managers = definition.managers()
    if name in managers:
        # So that no other stack of the cluster makes it a worker.
        labels[f"{prefix}.manager"] = "true"
    labels |= {f"{prefix}.tag.{tag}": "true" for tag in server.tags}
    labels |= {
        f"{prefix}.volume.{volume}": "true" for volume, wanted in definition.volumes.items() if wanted.server == name
    }
    return {
        "swarm_role": "manager" if name in managers else "worker",
        "swarm_advertise_address": server.private,
        "swarm_managers": [{"name": each, "address": definition.servers[each].private} for each in managers],
        "swarm_subnet_size": definition.swarm.subnet_size,
        "swarm_heartbeat": definition.swarm.heartbeat,
        "swarm_task_history": definition.swarm.task_history,
        "swarm_label_prefix": f"{prefix}.",
        "swarm_labels": labels,
        "swarm_data": {
            f"{prefix}.volume.{volume}": _directory(definition, volume)
            for volume, wanted in definition.volumes.items()
            if wanted.server is not None
        },
        **({"swarm_address_pools": pools} if (pools := [str(pool) for pool in definition.swarm.address_pools]) else {}),
    }


def _storage(definition: Stack, name: str) -> dict[str, Any]:
    volumes = []
    for volume, wanted in definition.volumes.items():
        if wanted.server != name:
            continue
        directory: dict[str, Any] = {
            "name": volume,
            "path": _directory(definition, volume),
        }
        # What is left out holds for a new directory alone: images give theirs to a user of their own.
        if wanted.owner is not None:
            owner, _sign, group = wanted.owner.partition(":")
            directory |= {"owner": owner, "group": group or owner}
        if wanted.mode is not None:
            directory["mode"] = wanted.mode
        volumes.append(directory)
    return {"storage_volumes": volumes}


def _directory(definition: Stack, volume: str) -> str:
    return f"/var/lib/longshore/{definition.name}/volumes/{volume}"
