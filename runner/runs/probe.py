# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a server can be reached from here: ports are dialled, and who answers is noted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Mapping
from enum import Enum

# Seconds. Who drops packets gives no answer at all.
PATIENCE = 3.0
# Fewer than a process may have files open by default.
AT_ONCE = 200


class State(str, Enum):
    """How a port answers."""

    OPEN = "open"
    # Somebody refused: the packet has come through, and nobody listens.
    CLOSED = "closed"
    # Nobody said anything.
    SILENT = "silent"


def probe(
    targets: Iterable[tuple[str, int]], *, patience: float = PATIENCE, at_once: int = AT_ONCE
) -> Mapping[tuple[str, int], State]:
    """Dial every address and TCP port, ``at_once`` at a time, waiting ``patience`` seconds for each."""
    return asyncio.run(_probe(list(dict.fromkeys(targets)), patience, at_once))


def source(address: str) -> str:
    """The address from which this machine sends to ``address``; empty when it can't. Sends nothing."""
    try:
        found = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(found[0], socket.SOCK_DGRAM) as dialled:
            dialled.connect(found[4])
            return str(dialled.getsockname()[0])
    except OSError:
        return ""


async def _probe(targets: list[tuple[str, int]], patience: float, at_once: int) -> dict[tuple[str, int], State]:
    room = asyncio.Semaphore(at_once)

    async def one(target: tuple[str, int]) -> State:
        async with room:
            return await _dial(*target, patience)

    return dict(zip(targets, await asyncio.gather(*map(one, targets)), strict=True))


async def _dial(address: str, port: int, patience: float) -> State:
    try:
        async with asyncio.timeout(patience):
            _reader, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return State.CLOSED
    except (TimeoutError, OSError):
        return State.SILENT
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return State.OPEN
