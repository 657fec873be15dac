# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role variable of a stack: what is the same on all servers, and what is each server's own."""

from __future__ import annotations

import getpass
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import (
    connection,
    databases,
    edge,
    firewall,
    hardening,
    https,
    protection,
    registries,
    secrets,
    server,
    services,
    valkey,
    virtual_ip,
    waf,
)

if TYPE_CHECKING:
    from longshore.definition.stack import Stack

CLUSTER_CREDENTIALS = {
    "directory": "/etc/longshore/cluster",
    "directory_mode": "0755",
    "names": {
        "cluster.key": {"length": 64, "alphabet": "hex"},
        "registry.password": {"length": 40, "alphabet": "alphanumeric"},
    },
}


def of_stack(definition: Stack) -> dict[str, Any]:
    """Variables of the group ``longshore``."""
    return {
        "longshore_run": _run(),
        "credentials_sets": _credentials(definition),
        "swarm_manager_files": _manager_files(definition),
        "swarm_run": services.RUN,
        "docker_host_run": services.RUN,
        **registries.variables(definition),
        **services.variables(definition),
        **edge.variables(definition),
        **protection.variables(definition),
        **waf.variables(definition),
        **firewall.of_stack(definition),
        **https.of_stack(definition),
        **databases.of_stack(definition),
    }


def of_server(definition: Stack, name: str) -> dict[str, Any]:
    """Variables of one host."""
    return (
        connection.variables(definition.servers[name])
        | server.variables(definition, name)
        | services.of_server(definition, name)
        | databases.of_server(definition, name)
        | virtual_ip.of_server(definition, name)
        | hardening.of_server(definition, name)
        | firewall.of_server(definition, name)
        | databases.kept_on(definition, name)
        | https.of_server(definition, name)
        | {"ca_certificates": _certificates(definition, name)}
    )


def _certificates(definition: Stack, name: str) -> list[dict[str, Any]]:
    """Those of the internal authority, each file once."""
    parts = (part.certificates(definition, name) for part in (registries, databases, https))
    return list({each["path"]: each for part in parts for each in part}.values())


def _credentials(definition: Stack) -> dict[str, Any]:
    cluster: dict[str, Any] = CLUSTER_CREDENTIALS
    if definition.sentinels():
        names = {**cluster["names"], valkey.PEER: {"length": 40, "alphabet": "alphanumeric"}}
        cluster = {**cluster, "names": names}
    sets = {"cluster": cluster, "stack": secrets.made_once(definition)}
    return {**sets, "databases": databases.made_once(definition)} if definition.databases else sets


def _manager_files(definition: Stack) -> list[str]:
    made = [f"{each['directory']}/{name}" for each in _credentials(definition).values() for name in each["names"]]
    return [f"{CLUSTER_CREDENTIALS['directory']}/ca.key", *made]


def _run() -> dict[str, str]:
    # The command line gives the same variable as an extra variable, which wins.
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return {"id": f"{stamp}-{os.getpid()}", "owner": f"{user}@{socket.gethostname()}", "reason": ""}
