# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may connect to the databases of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore.definition.stack import Stack

# Whence containers of the same server come: Docker's own ranges for its bridges, and the one of roles/swarm. Only what
# leaves a server gets the server's address.
_BRIDGES = ("172.16.0.0/12", "fd6c:6f6e:6773::/64")


def of_server(definition: Stack, server: str) -> list[str]:
    """Addresses and networks: the stack's servers, and the containers of this one."""
    addresses = [each.private for each in definition.servers.values()]
    if server not in definition.docker_hosts():
        return addresses
    pools = [str(pool.base) for pool in definition.docker.default_address_pools]
    return [*addresses, *(pools or _BRIDGES)]
