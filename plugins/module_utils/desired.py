# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack should be: from the stack file's data, or from a release record.

Private to the collection. Pure functions; what an image says about itself comes in through a function.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

from ansible_collections.longshore.stack.plugins.module_utils.object_ids import references
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import (
    SECRET_LIMIT,
    bound_databases,
    credential_file,
    credential_of,
    env_file,
    keyed_hash,
)
from ansible_collections.longshore.stack.plugins.module_utils.service_spec import (
    EDGE,
    Names,
    command_line,
    portable_spec,
    service_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

# Swarm's own limits: characters of a name, bytes of a config.
NAME_LIMIT = 64
CONFIG_LIMIT = 1000 * 1024


@dataclass
class Wanted:
    """One service: its portable spec, how its update is judged (``settings``: monitor, deadline in seconds,
    on_failure, depends_on), the command to run once before (``Command`` and ``Args`` of a spec), the Git commit of its
    image."""

    spec: dict[str, Any]
    settings: dict[str, Any]
    before_deploy: dict[str, list[str] | None] | None = None
    commit: str | None = None


@dataclass
class Desired:
    """A whole stack, or with ``partial`` some of its services, by the names on the cluster. Secrets and configs
    whose content is None must be there already. ``edge`` is what the load balancers are given, if that is known."""

    stack: str
    services: dict[str, Wanted] = field(default_factory=dict)
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, bytes | None] = field(default_factory=dict)
    configs: dict[str, bytes | None] = field(default_factory=dict)
    partial: bool = False
    edge: dict[str, Any] | None = None
    kind: str = "deploy"
    of: int | None = None


@dataclass
class Given:
    """What the module was given: names as in the stack file, contents as text."""

    stack: str
    services: Mapping[str, Mapping[str, Any]]
    images: Mapping[str, str]
    networks: Mapping[str, Mapping[str, Any]]
    configs: Mapping[str, str]
    secrets: Mapping[str, str]
    environments: Mapping[str, Mapping[str, str]]
    commits: Mapping[str, str]
    only: list[str]
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def needs_image_config(service: Mapping[str, Any]) -> bool:
    """Whether the spec of ``service`` depends on what its image says about itself."""
    return bool(service["secret_environment"]) or (bool(service["routes"]) and service["healthcheck"] is None)


def from_file(given: Given, key: bytes, image_config: Callable[[str, str], Mapping[str, Any]]) -> Desired:
    """The desired stack of a stack file. ``image_config(service, image)`` gives the image's own ``Config``.

    Raises ``ValueError`` with every unknown name, missing value or impossible setting.
    """
    stack = given.stack
    unknown = [name for name in given.only if name not in given.services]
    if unknown:
        raise ValueError(f"no such service: {', '.join(unknown)} (there are: {', '.join(sorted(given.services))})")
    chosen = {name: given.services[name] for name in (given.only or given.services)}
    desired = Desired(stack, partial=bool(given.only))
    names = _name_objects(given, chosen, key, desired)
    problems = []
    for name, service in chosen.items():
        image = given.images.get(name) or service["image"]
        if not image:
            problems.append(f"service {name}: its image was not built yet")
            continue
        own = image_config(name, image) if needs_image_config(service) else {}
        try:
            spec = portable_spec(stack, service, image, own, names)
        except ValueError as error:
            problems.append(str(error))
            continue
        before = None
        if service["before_deploy"]:
            command, arguments = command_line(service, own, names, service["before_deploy"])
            before = {"Command": command, "Args": arguments}
        update = service["update"]
        desired.services[name] = Wanted(
            spec=spec,
            settings={
                "monitor": update["monitor"],
                "deadline": update["deadline"],
                "on_failure": update["on_failure"],
                "depends_on": {other: how["condition"] for other, how in service["depends_on"].items()},
            },
            before_deploy=before,
            commit=given.commits.get(name),
        )
    if problems:
        raise ValueError("\n".join(problems))
    order(desired)
    return desired


def from_record(
    record: Mapping[str, Any], credentials: Mapping[str, Mapping[str, str]] | None = None, key: bytes = b""
) -> Desired:
    """The desired stack of a release record: the very specs, with secrets and configs that must still exist.

    ``credentials`` are those of databases as they are now, by database.
    """
    live = _credentials(record["stack"], credentials or {}, key)
    desired = Desired(record["stack"], networks=dict(record["networks"]), kind="rollback", of=record["number"])
    desired.edge = record.get("edge")
    for name, kept in record["services"].items():
        spec = deepcopy(dict(kept["spec"]))
        for mounted in spec["TaskTemplate"]["ContainerSpec"].get("Secrets") or []:
            database = credential_of(mounted["File"]["Name"])
            if database in live:
                mounted["SecretName"], content = live[database]
                desired.secrets[mounted["SecretName"]] = content
        desired.services[name] = Wanted(spec, dict(kept["settings"]), None, kept.get("commit"))
        secrets, configs = references(spec)
        desired.secrets.update(dict.fromkeys(secrets - set(desired.secrets)))
        desired.configs.update(dict.fromkeys(configs))
    return desired


def order(desired: Desired) -> list[str]:
    """The services, each after what it depends on. Raises ``ValueError`` for a circle, naming it."""
    done: list[str] = []
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done or name not in desired.services:
            return
        if name in path:
            raise ValueError("depends_on goes in a circle: " + " → ".join([*path[path.index(name) :], name]))
        path.append(name)
        for other in sorted(desired.services[name].settings["depends_on"]):
            visit(other)
        path.pop()
        done.append(name)

    for name in sorted(desired.services):
        visit(name)
    return done


def _name_objects(given: Given, chosen: Mapping[str, Mapping[str, Any]], key: bytes, desired: Desired) -> Names:
    """The names on the cluster of all that the chosen services use; ``desired`` gets the contents."""
    stack, names, missing = given.stack, Names(), []
    credentials = _credentials(stack, given.credentials, key)
    for service in chosen.values():
        for kind, contents, named, target in (
            ("secret", given.secrets, names.secrets, desired.secrets),
            ("config", given.configs, names.configs, desired.configs),
        ):
            for mounted in service[kind + "s"]:
                source = mounted["source"]
                content = contents.get(source, "").encode()
                problem = _refusal(kind, content) if source in contents else "has no value"
                if problem:
                    missing.append(f"service {service['name']}: the {kind} {source} {problem}")
                    continue
                named[source] = f"{stack}_{source}.{keyed_hash(key, content)}"
                target[named[source]] = content
        if service["secret_environment"]:
            try:
                values, own = _environment(service, given.environments, credentials)
            except ValueError as error:
                missing.append(f"service {service['name']}: {error}")
                continue
            content = env_file(values)
            name = _environment_name(stack, service["name"], keyed_hash(key, content))
            names.environments[service["name"]] = name
            names.credentials[service["name"]] = {database: secret for database, (secret, _content) in own.items()}
            desired.secrets |= {name: content, **dict(own.values())}
        for network in service["networks"]:
            options = dict(given.networks.get(network) or {})
            names.networks[network] = options.pop("name", None) or (
                network if options.get("external") else f"{stack}_{network}"
            )
            desired.networks[names.networks[network]] = options
        if service["routes"]:
            names.networks[EDGE] = f"{stack}_{EDGE}"
            desired.networks[names.networks[EDGE]] = {"attachable": True}
    if missing:
        # Two services may mount the same one.
        raise ValueError("\n".join(dict.fromkeys(missing)))
    return names


def _environment(
    service: Mapping[str, Any],
    environments: Mapping[str, Mapping[str, str]],
    credentials: Mapping[str, tuple[str, bytes]],
) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
    """The values of a service's secret variables, and of the databases' credentials those that stand in them.

    Raises ``ValueError`` with what is missing.
    """
    known = environments.get(service["name"], {})
    absent = [name for name in service["secret_environment"] if name not in known]
    if absent:
        raise ValueError(f"no value for {', '.join(absent)}")
    values = {name: known[name] for name in service["secret_environment"]}
    bound = bound_databases(values.values())
    unknown = [database for database in bound if database not in credentials]
    if unknown:
        raise ValueError(f"no credential of the database {', '.join(unknown)}")
    return values, {database: credentials[database] for database in bound}


def _credentials(stack: str, credentials: Mapping[str, Mapping[str, str]], key: bytes) -> dict[str, tuple[str, bytes]]:
    """Database → name and content of the secret with its credential."""
    contents = {database: credential_file(database, login) for database, login in credentials.items()}
    return {
        database: (f"{stack}.database.{database}.{keyed_hash(key, content)}", content)
        for database, content in contents.items()
    }


def _environment_name(stack: str, service: str, content_hash: str) -> str:
    """The name of the secret with a service's secret environment; a shorter one where Swarm's limit asks for it."""
    usual = f"{service_name(stack, service)}.env.{content_hash}"
    return usual if len(usual) <= NAME_LIMIT else f"{service_name(stack, service)}.e.{content_hash}"


def _refusal(kind: str, content: bytes) -> str:
    """Why Swarm would not keep the content, which it says without a name; empty when it does."""
    limit = SECRET_LIMIT if kind == "secret" else CONFIG_LIMIT
    if not content or (kind == "secret" and not content.strip()):
        return "is empty: give it a value, or take it out of the service"
    if len(content) >= limit:
        return f"is {len(content)} bytes large; Swarm keeps less than {limit}"
    return ""
