# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The normalized service: one shape for every way in (docs/architecture.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .healthcheck import Healthcheck
from .mounts import Mount, TmpfsOptions
from .scalars import expand_range
from .servers import resolved
from .values import is_secret, plain, references, unexpanded

if TYPE_CHECKING:
    from .mounts import Grant
    from .service import Build, Service


SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a path in containers, for mounting, not for files


def normalized(service: Service) -> dict[str, Any]:
    """``service`` with every default filled in."""
    values = service.values()
    return {
        "name": service.name,
        "image": service.image,
        "build": _build(service, service.build) if service.build is not None else None,
        "command": _words(service.command),
        "entrypoint": _words(service.entrypoint),
        "environment": {name: unexpanded(value) for name, value in values.items() if not is_secret(value)},
        "secret_environment": [name for name, value in values.items() if is_secret(value)],
        "secrets": [_grant(grant, "/run/secrets", 0o400) for grant in service.secrets],
        "configs": [_grant(grant, "/", 0o444) for grant in service.configs],
        "healthcheck": _healthcheck(service, service.healthcheck),
        "mode": service.mode,
        "replicas": service.replicas,
        "placement": service.placement.model_dump(),
        "resources": service.resources.model_dump(),
        "update": {**service.update.model_dump(), "order": order(service)},
        "restart": service.restart.model_dump(),
        "stop_grace_period": service.stop_grace_period,
        "stop_signal": service.stop_signal,
        "init": service.init,
        "user": service.user,
        "working_dir": service.working_dir,
        "hostname": service.hostname,
        "labels": {name: plain(value) for name, value in service.labels.items()},
        "cap_add": service.cap_add,
        "cap_drop": service.cap_drop,
        "sysctls": service.sysctls,
        "ulimits": {name: limit.model_dump() for name, limit in service.ulimits.items()},
        "dns": service.dns,
        "dns_search": service.dns_search,
        "extra_hosts": service.extra_hosts,
        "read_only": service.read_only,
        "tty": service.tty,
        "stdin_open": service.stdin_open,
        "logging": service.logging.model_dump() if service.logging is not None else None,
        "volumes": [_mount(mount) for mount in mounts(service)],
        "networks": {name: use.model_dump() for name, use in service.networks.items()} or {"default": {"aliases": []}},
        "ports": [
            {
                "target": port.target + offset,
                "published": port.published + offset if port.published is not None else None,
                "protocol": port.protocol,
                "mode": port.mode,
            }
            for port in service.ports
            for offset in range(port.count)
        ],
        "expose": [port for text in service.expose for port in _ports(text)],
        "routes": [
            *(
                {"host": route.host or "", "path": route.path, "port": route.port, "sticky": route.stays}
                for route in service.routes
            ),
            # A port of the load balancers is a way to the service like any other.
            *({"published": port.published, "port": port.target or port.published} for port in service.tcp_ports),
        ],
        "depends_on": {
            # Whoever asks for a database at its start would not find it before its router is there.
            **{name: {"condition": "service_healthy"} for name in routed_databases(service)},
            **{name: {"condition": need.condition} for name, need in service.depends_on.items()},
        },
        "before_deploy": _words(service.before_deploy),
        "endpoint_mode": service.endpoint_mode,
    }


def used_databases(service: Service) -> list[str]:
    """The databases in which those are that a service's environment names."""
    names = {name for value in service.secret_values().values() for name in references(value)[1]}
    holding = service.stack.logical_databases() if names else {}
    return sorted({holding[name].name if name in holding else name for name in names})


def routed_databases(service: Service) -> list[str]:
    """Those of them to which a router leads."""
    names = used_databases(service)
    known = service.stack.databases if names else {}
    return [name for name in names if name not in known or known[name].external is None]


def mounts(service: Service) -> list[Mount]:
    """All mounts: ``volumes``, ``tmpfs``, and ``shm_size``, which Swarm knows as a tmpfs at /dev/shm."""
    result = [*service.volumes, *service.tmpfs]
    if service.shm_size is not None:
        result.append(
            Mount(
                type="tmpfs",
                target=SHARED_MEMORY,
                tmpfs=TmpfsOptions.model_construct(size=service.shm_size, mode=0o1777),
            )
        )
    return result


def order(service: Service) -> str:
    """start-first, unless two tasks can't stand side by side."""
    if service.update.order is not None:
        return service.update.order
    return "stop-first" if local_volumes(service) or has_fixed_port(service) else "start-first"


def local_volumes(service: Service) -> list[str]:
    """The names of the local volumes that it mounts, each once."""
    known = service.stack.volumes
    names = [mount.source for mount in service.volumes if mount.type == "volume" and mount.source is not None]
    return list(dict.fromkeys(name for name in names if name in known and known[name].type == "local"))


def has_fixed_port(service: Service) -> bool:
    """Whether it asks for a certain port of the server."""
    return any(port.published is not None for port in service.ports)


def _words(words: list[str] | None) -> list[str] | None:
    return None if words is None else [plain(word) for word in words]


def _build(service: Service, build: Build) -> dict[str, Any]:
    # A login is no part of what is built; it travels apart.
    result = build.model_dump(exclude={"auth"})
    if build.path is not None:
        result["path"] = str(resolved(service.stack.path, build.path))
    return result


def _grant(grant: Grant, directory: str, mode: int) -> dict[str, Any]:
    target = grant.target or grant.source
    if not target.startswith("/"):
        target = f"{directory.rstrip('/')}/{target}"
    return {
        "source": grant.source,
        "target": target,
        "uid": grant.uid,
        "gid": grant.gid,
        "mode": mode if grant.mode is None else grant.mode,
    }


def _healthcheck(service: Service, check: Healthcheck | None) -> dict[str, Any] | None:
    if check is None:
        if not service.routes and not service.tcp_ports:
            return None
        check = Healthcheck(tcp=True)
    probes = check.http is not None or bool(check.tcp)
    result = check.model_dump()
    result["test"] = _words(check.test)
    result["tcp"] = bool(check.tcp)
    result["port"] = (check.port or service.port_to_check) if probes else check.port
    if check.test == ["NONE"]:
        result["test"], result["disable"] = [], True
    return result


def _mount(mount: Mount) -> dict[str, Any]:
    return {
        "type": mount.type,
        "source": mount.source,
        "target": mount.target,
        "read_only": mount.read_only,
        "size": mount.tmpfs.size,
        "mode": mount.tmpfs.mode,
    }


def _ports(text: str) -> range:
    low, high = expand_range(text)
    return range(low, high + 1)
