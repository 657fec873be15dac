# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two networks of a lab."""

from __future__ import annotations

from typing import Any

from . import engine, sdk
from .addresses import Address, Subnet
from .state import Lab


def names(lab: Lab) -> tuple[str, str]:
    """Give the names of the public and the private network; the first in the alphabet holds the default route."""
    return f"longshore-{lab.name}-0-public", f"longshore-{lab.name}-1-private"


def ensure(lab: Lab) -> None:
    """Make the lab's networks unless they are there."""
    public, private = names(lab)
    for name, subnet in ((public, lab.plan.public), (private, lab.plan.private)):
        if not engine.client().networks.list(filters={"name": f"^{name}$"}):
            create(lab, name, subnet)


def create(lab: Lab, name: str, subnet: Subnet) -> None:
    """Make one bridge with fixed subnets in both address families."""
    pools = [
        sdk.types.IPAMPool(subnet=subnet.v4, gateway=subnet.gateway.v4),
        sdk.types.IPAMPool(subnet=subnet.v6, gateway=subnet.gateway.v6),
    ]
    engine.client().networks.create(
        name,
        driver="bridge",
        enable_ipv6=True,
        ipam=sdk.types.IPAMConfig(pool_configs=pools),
        check_duplicate=True,
        labels={engine.LABEL: lab.name, f"{engine.LABEL}.index": str(lab.index)},
    )


def endpoint(address: Address) -> Any:
    """Describe a fixed place in a network to the engine."""
    return engine.client().api.create_endpoint_config(ipv4_address=address.v4, ipv6_address=address.v6)


def taken_indexes() -> set[int]:
    """Give the indexes of every lab on this engine, those of other checkouts among them."""
    label = f"{engine.LABEL}.index"
    return {int(found.attrs["Labels"][label]) for found in engine.client().networks.list(filters={"label": label})}


def remove(name: str) -> None:
    """Remove the networks of the lab called `name`."""
    for found in engine.client().networks.list(filters={"label": f"{engine.LABEL}={name}"}):
        found.remove()
