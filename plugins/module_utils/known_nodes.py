# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Swarm's nodes, as a leader knows them that has heard of them.

Private to the collection.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .docker_api import Docker

# A new leader says "unknown" of each node until that calls in, or six of its heartbeats (of 2 s, unless the stack file
# says otherwise) have passed; then it counts the node as lost. Seconds.
PATIENCE = 20.0
POLL = 0.5


def nodes(docker: Docker) -> list[dict[str, Any]]:
    """The engine's node objects, once none of them is unknown; after ``PATIENCE`` as they are."""
    until = time.monotonic() + PATIENCE
    while True:
        found: list[dict[str, Any]] = docker.get("/nodes")
        if time.monotonic() > until or all(node["Status"]["State"] != "unknown" for node in found):
            return found
        time.sleep(POLL)
