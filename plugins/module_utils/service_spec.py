# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A normalized service becomes a Swarm service spec.

Private to the collection. Pure functions. The spec is *portable*: it is the Engine API's ServiceSpec, but networks,
secrets and configs stand in it by name. ``object_ids.bound()`` puts the identifiers in for one cluster. Names of
networks, secrets and configs are given in ``Names``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.longshore.stack.plugins.module_utils.secret_env import (
    ENV_FILE,
    HELPER,
    HELPER_ON_HOST,
    check_argv,
    credential_path,
    helper_argv,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SECOND = 1_000_000_000
# A health check's own patience ends first, so that what it printed is kept.
CHECK_MARGIN = 1.0
EDGE = "edge"


@dataclass
class Names:
    """The names on the cluster: ``networks``, ``configs`` and ``secrets`` by their names in the stack file, and the
    Swarm secret that holds each service's secret environment. ``credentials`` goes from service and database to the one
    that holds the database's credential."""

    networks: dict[str, str] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    environments: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, dict[str, str]] = field(default_factory=dict)


def restarts(template: Mapping[str, Any]) -> bool:
    """Whether Swarm starts another task for each of this TaskTemplate that ends; else what is done stays done."""
    return ((template.get("RestartPolicy") or {}).get("Condition") or "any") == "any"


def service_name(stack: str, service: str) -> str:
    """The Swarm service's name."""
    return f"{stack}_{service}"


def tag_constraint(stack: str, tag: str) -> str:
    """The placement constraint for servers with ``tag``."""
    return f"node.labels.longshore.{stack}.tag.{tag}==true"


def portable_spec(
    stack: str, service: Mapping[str, Any], image: str, image_config: Mapping[str, Any], names: Names
) -> dict[str, Any]:
    """The full ServiceSpec of one service.

    ``image`` is the pinned reference; ``image_config`` the image's own ``Config`` (Entrypoint, Cmd, Env, Healthcheck,
    User), needed where the helper stands in front of the image's own command. Raises ``ValueError`` for what Swarm
    could never run.
    """
    name = service["name"]
    replicated = service["mode"] != "global"
    update = service["update"]
    _refuse_impossible(service)
    return {
        "Name": service_name(stack, name),
        "Labels": {
            "longshore.stack": stack,
            "longshore.service": name,
            "longshore.replicas": str(service["replicas"]) if replicated else "global",
        },
        "TaskTemplate": {
            "ContainerSpec": _container(stack, service, image, image_config, names),
            "Resources": _resources(service["resources"]),
            "RestartPolicy": _restart(service["restart"]),
            "Placement": _placement(stack, service),
            "Networks": _networks(stack, service, names),
            "LogDriver": _log_driver(service["logging"]),
        },
        "Mode": {"Replicated": {"Replicas": service["replicas"]}} if replicated else {"Global": {}},
        "UpdateConfig": _update(update, "pause"),
        "RollbackConfig": _update(update, "pause"),
        "EndpointSpec": {
            "Mode": service["endpoint_mode"],
            "Ports": [
                {
                    "Protocol": port.get("protocol") or "tcp",
                    "TargetPort": port["target"],
                    "PublishedPort": port["published"],
                    "PublishMode": port.get("mode") or "host",
                }
                for port in sorted(service["ports"], key=lambda port: (port["published"], port["target"]))
            ],
        },
    }


def command_line(
    service: Mapping[str, Any], image_config: Mapping[str, Any], names: Names, arguments: list[str] | None
) -> tuple[list[str] | None, list[str] | None]:
    """What stands in the spec as ``Command`` and ``Args`` to run ``arguments`` behind the service's entrypoint (its
    own or the image's), as ``docker run`` does; with the helper in front when the service has a secret environment."""
    entrypoint = service["entrypoint"]
    if not names.environments.get(service["name"]):
        return entrypoint, arguments
    own = entrypoint if entrypoint is not None else (image_config.get("Entrypoint") or [])
    if arguments is None:
        arguments = [] if entrypoint is not None else (image_config.get("Cmd") or [])
    whole = helper_argv([*own, *arguments], plain_environment(service, image_config))
    return whole[:3], whole[3:]


def plain_environment(service: Mapping[str, Any], image_config: Mapping[str, Any]) -> list[str]:
    """The container's ordinary environment as ``NAME=value``, sorted: the image's, overridden by the service's."""
    values = dict(entry.partition("=")[::2] for entry in image_config.get("Env") or [])
    values.update(service["environment"])
    return [f"{name}={value}" for name, value in sorted(values.items())]


def _refuse_impossible(service: Mapping[str, Any]) -> None:
    held = [port["published"] for port in service["ports"] if (port.get("mode") or "host") == "host"]
    if held and service["update"]["order"] == "start-first" and service["mode"] == "global":
        raise ValueError(
            f"service {service['name']}: start-first can't work for a global service that publishes port {held[0]} on "
            "its host, since old and new would need it at once; set update.order: stop-first"
        )


def _container(
    stack: str, service: Mapping[str, Any], image: str, image_config: Mapping[str, Any], names: Names
) -> dict[str, Any]:
    plain = plain_environment(service, image_config)
    secret_environment = names.environments.get(service["name"])
    command, arguments = command_line(service, image_config, names, service["command"])
    check = _health(service, image_config, bool(secret_environment), plain)
    mounts = [_mount(stack, volume) for volume in sorted(service["volumes"], key=lambda volume: volume["target"])]
    if secret_environment or any(HELPER + "/" in part for part in (check or {}).get("Test", [])):
        mounts.append({"Type": "bind", "Source": HELPER_ON_HOST, "Target": HELPER, "ReadOnly": True})
    return {
        "Image": image,
        "Labels": {**service["labels"], "longshore.stack": stack, "longshore.service": service["name"]},
        "Command": command,
        "Args": arguments,
        "Hostname": service["hostname"],
        "Env": sorted(f"{name}={value}" for name, value in service["environment"].items()),
        "Dir": service["working_dir"],
        "User": service["user"],
        "TTY": service["tty"],
        "OpenStdin": service["stdin_open"],
        "ReadOnly": service["read_only"],
        "StopSignal": service["stop_signal"],
        "StopGracePeriod": _ns(service["stop_grace_period"]),
        "Healthcheck": check,
        "Hosts": [" ".join(reversed(entry.split(":", 1))) for entry in service["extra_hosts"]],
        "DNSConfig": {"Nameservers": service["dns"], "Search": service["dns_search"]},
        "Secrets": _secrets(service, secret_environment, image_config, names),
        "Configs": [
            {"File": _file(wanted), "ConfigName": names.configs[wanted["source"]]}
            for wanted in sorted(service["configs"], key=lambda wanted: wanted["target"])
        ],
        "Init": service["init"],
        "Sysctls": {name: str(value) for name, value in service["sysctls"].items()},
        "CapabilityAdd": [_capability(name) for name in sorted(service["cap_add"])],
        "CapabilityDrop": [_capability(name) for name in sorted(service["cap_drop"])],
        "Ulimits": [
            {"Name": name, "Soft": limit["soft"], "Hard": limit["hard"]}
            for name, limit in sorted(service["ulimits"].items())
        ],
        "Mounts": mounts,
    }


def _health(
    service: Mapping[str, Any], image_config: Mapping[str, Any], secret: bool, plain: list[str]
) -> dict[str, Any] | None:
    check = service["healthcheck"]
    if check is None:
        own = (image_config.get("Healthcheck") or {}).get("Test") or []
        if not service["routes"] or own not in ([], ["NONE"]):
            return None
        # Without any check a task gets traffic before it listens.
        check = {"tcp": True, "port": service["routes"][0]["port"]}
    if check.get("disable"):
        return {"Test": ["NONE"]}
    timeout = check.get("timeout") or 3.0
    if check.get("http"):
        test = ["CMD", *check_argv("http", check["port"], check["http"], timeout)]
    elif check.get("tcp"):
        port = check.get("port") or check["tcp"]
        test = ["CMD", *check_argv("tcp", port, "", timeout)]
    else:
        test = list(check.get("test") or [])
        if secret and test[:1] == ["CMD"]:
            test = ["CMD", *helper_argv(test[1:], plain)]
        elif secret and test[:1] == ["CMD-SHELL"]:
            test = ["CMD", *helper_argv(["/bin/sh", "-c", *test[1:]], plain)]
    return {
        "Test": test,
        "Interval": _ns(check.get("interval") or 5.0),
        "Timeout": _ns(timeout + CHECK_MARGIN),
        "Retries": check.get("retries") or 3,
        "StartPeriod": _ns(check.get("start_period")),
        **({"StartInterval": _ns(check["start_interval"])} if check.get("start_interval") else {}),
    }


def _secrets(
    service: Mapping[str, Any], secret_environment: str | None, image_config: Mapping[str, Any], names: Names
) -> list[dict[str, Any]]:
    mounted = [
        {"File": _file(wanted), "SecretName": names.secrets[wanted["source"]]}
        for wanted in sorted(service["secrets"], key=lambda wanted: wanted["target"])
    ]
    if secret_environment:
        user = (service["user"] or image_config.get("User") or "0").partition(":")[0]
        # Docker resolves no user names here, so a named user's file must be readable for all in the container.
        uid, mode = (user, 0o400) if user.isdigit() else ("0", 0o444)
        read = {ENV_FILE: secret_environment} | {
            credential_path(database): name
            for database, name in sorted((names.credentials.get(service["name"]) or {}).items())
        }
        for path, name in read.items():
            mounted.append({"File": {"Name": path, "UID": uid, "GID": "0", "Mode": mode}, "SecretName": name})
    return mounted


def _file(wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Name": wanted["target"],
        "UID": str(wanted["uid"]),
        "GID": str(wanted["gid"]),
        "Mode": wanted["mode"],
    }


def _mount(stack: str, volume: Mapping[str, Any]) -> dict[str, Any]:
    kind, source = volume["type"], volume["source"]
    if kind == "volume" and source:
        # Named volumes are directories of ours, so that ownership, backup and moving need no detour through Docker.
        kind, source = "bind", f"/var/lib/longshore/{stack}/volumes/{source}"
    mount: dict[str, Any] = {
        "Type": kind,
        "Source": source,
        "Target": volume["target"],
        "ReadOnly": volume["read_only"],
    }
    if kind == "tmpfs":
        mount["TmpfsOptions"] = {"SizeBytes": volume["size"], "Mode": volume["mode"]}
    return mount


def _resources(resources: Mapping[str, Any]) -> dict[str, Any]:
    limits, reservations = resources.get("limits") or {}, resources.get("reservations") or {}
    return {
        "Limits": {
            "NanoCPUs": _nano(limits.get("cpus")),
            "MemoryBytes": limits.get("memory"),
            "Pids": limits.get("pids"),
        },
        "Reservations": {
            "NanoCPUs": _nano(reservations.get("cpus")),
            "MemoryBytes": reservations.get("memory"),
        },
    }


def _restart(restart: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Condition": restart["condition"],
        "Delay": _ns(restart["delay"]),
        "MaxAttempts": restart["max_attempts"],
        "Window": _ns(restart["window"]),
    }


def _placement(stack: str, service: Mapping[str, Any]) -> dict[str, Any]:
    placement = service["placement"]
    named = {volume["source"] for volume in service["volumes"] if volume["type"] == "volume" and volume["source"]}
    # A cluster may have servers of other stacks; a tag's or volume's label is this stack's already.
    anywhere = not placement["tags"] and not named
    return {
        "Constraints": sorted(
            {
                *([f"node.labels.longshore.{stack}.member==true"] if anywhere else []),
                *(tag_constraint(stack, tag) for tag in placement["tags"]),
                *(f"node.labels.longshore.{stack}.volume.{volume}==true" for volume in named),
                *("".join(constraint.split()) for constraint in placement["constraints"]),
            }
        ),
        "MaxReplicas": placement["max_per_server"],
    }


def _networks(stack: str, service: Mapping[str, Any], names: Names) -> list[dict[str, Any]]:
    name = service["name"]
    joined = [
        {
            "Target": names.networks[network],
            "Aliases": sorted({name, f"{name}.{stack}.internal", *(options or {}).get("aliases", [])}),
        }
        for network, options in service["networks"].items()
    ]
    if service["routes"]:
        joined.append({"Target": names.networks[EDGE], "Aliases": []})
    return sorted(joined, key=lambda network: str(network["Target"]))


def _log_driver(logging: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not logging or not logging.get("driver"):
        return None
    options = logging.get("options") or {}
    return {"Name": logging["driver"], "Options": {key: str(value) for key, value in options.items()}}


def _update(update: Mapping[str, Any], failure_action: str) -> dict[str, Any]:
    return {
        "Parallelism": update["parallelism"],
        "Delay": _ns(update["delay"]),
        "FailureAction": failure_action,
        "Monitor": _ns(update["monitor"]),
        "Order": update["order"],
    }


def _capability(name: str) -> str:
    upper = name.upper()
    return upper if upper.startswith("CAP_") or upper == "ALL" else f"CAP_{upper}"


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * SECOND)


def _nano(cpus: float | None) -> int | None:
    return None if cpus is None else round(cpus * SECOND)
