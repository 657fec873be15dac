# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers: containers with systemd, sshd and room for a Docker engine of their own."""

from __future__ import annotations

from . import dns, engine, hosts, image
from .report import LabError
from .state import Lab


def kind() -> hosts.Kind:
    """Describe a server."""
    return hosts.Kind(image=image.ensure("server"), system=True, files=dns.resolver_files(), users=("root", "ops"))


def ensure(lab: Lab, names: list[str], described: hosts.Kind) -> list[str]:
    """Make the named servers run and answer; gives those that had not been running."""
    begun = hosts.in_parallel(names, lambda name: hosts.ensure(lab, name, described))
    fresh = [name for name, started in zip(names, begun, strict=True) if started]
    hosts.in_parallel(fresh, lambda name: hosts.wait_for_ssh(lab, name))
    return fresh


def kill(lab: Lab, name: str) -> None:
    """Take a server's power away, and wait until it is gone; its disks stay."""
    require(lab, name)
    container = engine.client().containers.get(lab.container(name))
    container.kill()
    container.wait()


def start(lab: Lab, name: str) -> None:
    """Give a server its power back and wait until it answers."""
    require(lab, name)
    engine.client().containers.get(lab.container(name)).start()
    hosts.wait_for_ssh(lab, name)


def require(lab: Lab, name: str) -> None:
    """Refuse a name that is no server of the lab."""
    if name not in lab.servers:
        raise LabError(f"the lab {lab.name} has no server {name}; it has {', '.join(lab.servers)}")
