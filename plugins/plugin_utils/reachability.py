# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers answer, and whether what is left is enough to work on (docs/architecture.md, "The run")."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# A healthy server answers in milliseconds; one lost SYN is sent again after 1 s, a second one after 3 s.
TIMEOUT = 5.0
# An SSH server that is busy drops connections: whoever was turned away asks again so much later.
PAUSE = 1.0


def unreachable(servers: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The names of those ``servers`` (name → connection variables) whose SSH port greets nobody.

    One that says nothing for ``TIMEOUT`` is dead; one that turns the question down is asked a second time. A server
    behind a gateway cannot be asked from here; it counts as reachable, and Ansible finds out.
    """
    direct = {
        name: (str(known["ansible_host"]), int(known.get("ansible_port") or 22))
        for name, known in servers.items()
        if "ansible_host" in known
        and known.get("ansible_connection", "ssh") == "ssh"
        and "ProxyCommand" not in str(known.get("ansible_ssh_common_args", ""))
    }
    if not direct:
        return set()
    with ThreadPoolExecutor(max_workers=min(256, len(direct))) as pool:
        answers = pool.map(_answers, direct.values())
        return {name for name, greeted in zip(direct, answers, strict=True) if not greeted}


def _answers(address: tuple[str, int]) -> bool:
    try:
        if _greets(address):
            return True
        time.sleep(PAUSE)
        return _greets(address)
    except TimeoutError:
        return False


def _greets(address: tuple[str, int]) -> bool:
    until = time.monotonic() + TIMEOUT
    try:
        with socket.create_connection(address, timeout=TIMEOUT) as connection:
            connection.settimeout(max(0.01, until - time.monotonic()))
            return connection.recv(4) == b"SSH-"
    except TimeoutError:
        raise
    except OSError:
        return False


def unsafe(groups: Mapping[str, list[str]], missing: Collection[str]) -> str | None:
    """Why the reachable servers are too few to work on safely, or None.

    Swarm needs a majority of its managers; visitors need one load balancer.
    """
    managers = groups.get("swarm_manager", [])
    lost = [name for name in managers if name in missing]
    if managers and (len(managers) - len(lost)) * 2 <= len(managers):
        return (
            f"{len(lost)} of {len(managers)} Swarm managers do not answer on SSH ({', '.join(lost)}), so there is no "
            "quorum: bring one of them back"
        )
    balancers = groups.get("load_balancer", [])
    if balancers and all(name in missing for name in balancers):
        return f"no load balancer answers on SSH ({', '.join(balancers)}): bring one of them back"
    return None
