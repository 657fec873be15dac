# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a database, which becomes one with TLS.

Private to the collection.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl


class Refused(Exception):
    """The database answers, and can't be used; the message says why, without the password."""


class Wire:
    """``context`` says whom to trust; None for a connection without TLS."""

    def __init__(self, connection: socket.socket, host: str, context: ssl.SSLContext | None) -> None:
        self._connection = connection
        self._host = host
        self._context = context

    @property
    def encrypted(self) -> bool:
        """Whether it is to be, or is, one with TLS."""
        return self._context is not None

    def secure(self) -> None:
        """Go on with TLS, where it is asked for."""
        if self._context is not None:
            self._connection = self._context.wrap_socket(self._connection, server_hostname=self._host)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._connection.sendall(data)

    def read(self, count: int) -> bytes:
        """So many bytes. Raises ``Refused`` when the connection ends before."""
        data = b""
        while len(data) < count:
            found = self._connection.recv(count - len(data))
            if not found:
                raise Refused("it closed the connection")
            data += found
        return data

    def line(self) -> str:
        """A line, without its end."""
        data = b""
        while not data.endswith(b"\n") and len(data) < 4096:
            data += self.read(1)
        return data.decode("utf-8", "replace").strip()
