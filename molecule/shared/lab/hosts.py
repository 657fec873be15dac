# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are hosts: created with keys and fixed addresses, started, waited for."""

from __future__ import annotations

import dataclasses
import resource
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from . import engine, networks, sdk
from .addresses import CLIENT, GIT, MIRROR, Address, server_number
from .image import Files, pack
from .report import LabError
from .state import Lab

T = TypeVar("T")
SSH_TIMEOUT = 180.0  # seconds
HOMES = {"root": ("root", 0), "ops": ("home/ops", 1000), "git": ("srv/git", 1000)}


@dataclasses.dataclass(frozen=True)
class Kind:
    """What sets one sort of host apart: its image, whether it runs systemd, whether it is on the private network.

    `volumes` are names of volumes, or directories of the machine to read, and where they appear.
    """

    image: str
    system: bool = False
    private: bool = True
    volumes: dict[str, str] = dataclasses.field(default_factory=dict)
    files: Files = dataclasses.field(default_factory=dict)
    users: tuple[str, ...] = ("root",)
    capabilities: tuple[str, ...] = ()


def number(host: str) -> int:
    """Give the host part of a host's addresses."""
    return {"client": CLIENT, "git": GIT, "mirror": MIRROR}.get(host) or server_number(host)


def public(lab: Lab, host: str) -> Address:
    """Give a host's place in the public network."""
    return lab.plan.public.at(number(host))


def private(lab: Lab, host: str) -> Address:
    """Give a host's place in the private network."""
    return lab.plan.private.at(number(host))


def ensure(lab: Lab, host: str, kind: Kind) -> bool:
    """Make a host run: nothing to do, start its container, or make it. True if it was not running."""
    try:
        container = engine.client().containers.get(lab.container(host))
    except sdk.NotFound:
        container = create(lab, host, kind)
    if container.status == "running":
        return False
    container.start()
    return True


def create(lab: Lab, host: str, kind: Kind) -> Any:
    """Make a host's container, with its keys in it, and attach it to its networks."""
    api = engine.client().api
    outer, inner = networks.names(lab)
    made = api.create_container(
        kind.image,
        name=lab.container(host),
        hostname=host,
        detach=True,
        tty=kind.system,
        environment={"container": "docker", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE": "1"} if kind.system else {},
        labels={engine.LABEL: lab.name, f"{engine.LABEL}.host": host},
        volumes=list(kind.volumes.values()) + (["/var/lib/docker"] if kind.system else []),
        host_config=host_config(lab, host, kind),
        networking_config=api.create_networking_config({outer: networks.endpoint(public(lab, host))}),
    )
    try:
        if kind.private:
            place = private(lab, host)
            api.connect_container_to_network(made["Id"], inner, ipv4_address=place.v4, ipv6_address=place.v6)
        api.put_archive(made["Id"], "/", pack(kind.files, mode=0o644))
        api.put_archive(made["Id"], "/", pack(host_keys(lab, host), mode=0o600))
        for user in kind.users:
            home, number_of_user = HOMES[user]
            keys = {f"{home}/.ssh/authorized_keys": public_half(lab.key).read_bytes()}
            api.put_archive(made["Id"], "/", pack(keys, mode=0o600, owner=number_of_user))
    except BaseException:
        api.remove_container(made["Id"], force=True, v=True)
        raise
    return engine.client().containers.get(made["Id"])


def host_config(lab: Lab, host: str, kind: Kind) -> Any:
    """Describe the container to the engine: privileged where that works, else with the capabilities one by one."""
    names = {
        "git.lab": public(lab, "git").v4,
        "mirror.lab": (private if kind.private else public)(lab, "mirror").v4,
        "s3.lab": public(lab, "client").v4,
    }
    options: dict[str, Any] = {
        "extra_hosts": {name: address for name, address in names.items() if name != f"{host}.lab"},
        "binds": [f"{name}:{path}:{'ro' if name.startswith('/') else 'rw'}" for name, path in kind.volumes.items()],
        "init": not kind.system,
        "cap_add": list(kind.capabilities),
    }
    if kind.system:
        most = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1_048_576)
        options |= {
            "tmpfs": {"/run": "", "/run/lock": "", "/tmp": "exec"},  # noqa: S108 - in the container
            "ulimits": [{"Name": "nofile", "Soft": most, "Hard": most}],
            "sysctls": {"net.ipv6.conf.all.disable_ipv6": "0"},
            "cgroupns": "private",
        }
        if lab.privileged:
            options["privileged"] = True
        else:
            options |= {
                "cap_add": ["ALL"],
                "cap_drop": ["SYS_RESOURCE"],
                "device_cgroup_rules": ["a *:* rwm"],
                "security_opt": ["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"],
            }
    return make_host_config(options)


def make_host_config(options: dict[str, Any]) -> Any:
    """Build the engine's HostConfig; what the SDK has no parameter for is added by its API name."""
    cgroupns = options.pop("cgroupns", None)
    security = options.pop("security_opt", [])
    config = engine.client().api.create_host_config(
        security_opt=[option for option in security if option != "systempaths=unconfined"] or None,
        **options,
    )
    if "systempaths=unconfined" in security:  # the engine's API spells it as two empty lists
        config["MaskedPaths"], config["ReadonlyPaths"] = [], []
    if cgroupns:
        config["CgroupnsMode"] = cgroupns
    return config


def host_keys(lab: Lab, host: str) -> Files:
    """Give the files by which the host proves who it is."""
    key = lab.host_key(host)
    return {
        "etc/ssh/ssh_host_ed25519_key": key.read_bytes(),
        "etc/ssh/ssh_host_ed25519_key.pub": public_half(key).read_bytes(),
    }


def public_half(key: Path) -> Path:
    """Give the path of the public half of a key."""
    return key.with_name(key.name + ".pub")


def write_known_hosts(lab: Lab, names: list[str]) -> None:
    """Write the host keys of the lab's hosts, under their names and addresses."""
    lines = []
    for host in names:
        places = [public(lab, host)] + ([] if host == "client" else [private(lab, host)])
        spelled = [host, *(["git.lab"] if host == "git" else []), *[part for at in places for part in (at.v4, at.v6)]]
        lines.append(f"{','.join(spelled)} {public_half(lab.host_key(host)).read_text().strip()}\n")
    lab.known_hosts.write_text("".join(lines))


def wait_for_ssh(lab: Lab, host: str) -> None:
    """Wait until the host's SSH server greets."""
    address, deadline = public(lab, host).v4, time.monotonic() + SSH_TIMEOUT
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address, 22), timeout=2) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        time.sleep(0.1)
    log = engine.client().containers.get(lab.container(host)).logs(tail=15).decode(errors="replace")
    raise LabError(f"{host} ({address}) does not answer on port 22 after {SSH_TIMEOUT:.0f} s; its last output:\n{log}")


def in_parallel(items: list[str], work: Callable[[str], T]) -> list[T]:
    """Do the same for every item at once and give the results in order; the first failure is raised."""
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=min(len(items), 12)) as pool:
        return list(pool.map(work, items))
