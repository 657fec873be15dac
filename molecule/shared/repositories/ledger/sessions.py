# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of a memcached on several servers: a key's hash says which of SESSIONS_SERVERS has it.

SESSIONS_AUTHORITY is the file with the certificate of whom to trust.
"""

from __future__ import annotations

import os
import socket
import ssl
import zlib
from typing import Any

PATIENCE = 2.0  # seconds


def ask(server: str, command: str) -> list[str]:
    """The lines of an answer. Raises ``OSError`` when there is none."""
    host, _, port = server.rpartition(":")
    trust = ssl.create_default_context(cafile=os.environ["SESSIONS_AUTHORITY"])
    with (
        socket.create_connection((host, int(port)), timeout=PATIENCE) as plain,
        trust.wrap_socket(plain, server_hostname=host) as connection,
    ):
        connection.sendall(f"{command}\r\n".encode())
        text = b""
        while not text.endswith((b"END\r\n", b"STORED\r\n", b"ERROR\r\n")):
            if not (found := connection.recv(65536)):
                raise ConnectionResetError("closed")
            text += found
    return text.decode().split("\r\n")[:-1]


def fill(prefix: str, count: int) -> dict[str, Any]:
    """Set so many keys, read all of them again; gives how many each server had, by its place in the list."""
    servers = os.environ["SESSIONS_SERVERS"].split(",")
    found: dict[str, int] = dict.fromkeys(servers, 0)
    for number in range(count):
        key = f"{prefix}-{number}"
        server = servers[zlib.crc32(key.encode()) % len(servers)]
        value = f"value of {key}"
        stored = ask(server, f"set {key} 0 0 {len(value)}\r\n{value}")
        if stored == ["STORED"] and ask(server, f"get {key}")[1:2] == [value]:
            found[server] += 1
    return {"found": found}
