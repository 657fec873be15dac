# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send the lines of standard input over one WebSocket and print what comes back: ``talk.py ADDRESS HOST``."""

from __future__ import annotations

import socket
import sys

connection = socket.create_connection((sys.argv[1], 80), timeout=10)
stream = connection.makefile("rw", newline="")
stream.write(f"GET /ws HTTP/1.1\r\nHost: {sys.argv[2]}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
stream.write("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
stream.flush()
if "101" not in (answer := stream.readline()):
    sys.exit(f"no WebSocket: {answer}")
while stream.readline().strip():
    pass
for line in sys.stdin:
    stream.write(line)
    stream.flush()
    sys.stdout.write(stream.readline())
    sys.stdout.flush()
