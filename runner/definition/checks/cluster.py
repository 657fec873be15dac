# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Docker and Swarm that can't be together."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .context import Context


def check(context: Context) -> None:
    """Check the sections ``docker`` and ``swarm``."""
    docker, swarm = context.stack.docker, context.stack.swarm
    if docker.log is not None and docker.log.driver is None:
        context.complain(("docker", "log"), "needs driver, whose options these are", key=True)
    for name in ("repository", "repository_key"):
        if getattr(docker, name) is not None and docker.source != "docker":
            context.complain(("docker", name), "is for Docker's own packages", "write source: docker too", key=True)
    for index, pool in enumerate(docker.default_address_pools):
        if pool.size < ip_network(pool.base).prefixlen:
            context.complain(
                ("docker", "default_address_pools", index, "size"),
                f"a network of /{pool.size} is larger than {pool.base}",
            )
    for index, base in enumerate(swarm.address_pools):
        if swarm.subnet_size < ip_network(base).prefixlen:
            context.complain(
                ("swarm", "address_pools", index),
                f"is smaller than one network from it, a /{swarm.subnet_size}",
                "give a larger one, or subnet_size",
            )
