# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in to a MariaDB or MySQL, with the two ways to hash a password that most users have.

Private to the collection. MariaDB's documentation, "Connecting", and MySQL's, "Protocol::HandshakeV10".
"""

from __future__ import annotations

import hashlib
import struct

from .external_wire import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .external_wire import Wire

# LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH.
_FLAGS = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000
_SSL = 0x800
_UTF8 = 45
_NATIVE, _SHA2 = "mysql_native_password", "caching_sha2_password"
_FULL = b"\1\4"


def log_in(wire: Wire, user: str, password: str, database: str) -> str:
    """Log in, and leave; gives what could not be judged. Raises ``Refused`` with the server's words."""
    number, told = _packet(wire)
    if told[:1] != b"\x0a":
        raise Refused("what answers is no MariaDB")
    abilities, salt, plugin = _greeting(told)
    flags, number = _FLAGS, number + 1
    if wire.encrypted:
        if not abilities & _SSL:
            raise Refused("it takes no connection with TLS")
        flags |= _SSL
        _send(wire, number, struct.pack("<IIB23x", flags, 1 << 24, _UTF8))
        wire.secure()
        number += 1
    hashed = _hashed(plugin, password, salt)
    names = [user.encode() + b"\0", bytes([len(hashed)]) + hashed, database.encode() + b"\0", plugin.encode() + b"\0"]
    _send(wire, number, struct.pack("<IIB23x", flags, 1 << 24, _UTF8) + b"".join(names))
    while True:
        number, told = _packet(wire)
        if told[:1] == b"\0":
            _send(wire, 0, b"\1")
            return ""
        if told[:1] == b"\xfe":
            name, _end, salt = told[1:].partition(b"\0")
            plugin = name.decode("ascii", "replace")
            if plugin not in (_NATIVE, _SHA2):
                return f"its password is for {plugin[:40]}, and was not tried"
            _send(wire, number + 1, _hashed(plugin, password, salt.rstrip(b"\0")))
        elif told == _FULL:
            if not wire.encrypted:
                return "its password would be sent as it is, and was not tried"
            _send(wire, number + 1, password.encode() + b"\0")


def _packet(wire: Wire) -> tuple[int, bytes]:
    head = wire.read(4)
    size = int.from_bytes(head[:3], "little")
    if size > 1 << 16:
        raise Refused("what answers is no MariaDB")
    body = wire.read(size)
    if body[:1] == b"\xff":
        words = body[9:] if body[3:4] == b"#" else body[3:]
        raise Refused(f"it says: {words.decode('utf-8', 'replace')}")
    return head[3], body


def _send(wire: Wire, number: int, body: bytes) -> None:
    wire.send(len(body).to_bytes(3, "little") + bytes([number]) + body)


def _greeting(told: bytes) -> tuple[int, bytes, str]:
    """What the server is able to, what passwords are hashed with, and how."""
    rest = told[1:].partition(b"\0")[2]
    low, high, count = struct.unpack("<H3xHB", rest[13:21])
    end = 31 + max(13, count - 8)
    salt = rest[4:12] + rest[31:end].rstrip(b"\0")
    plugin = rest[end:].partition(b"\0")[0].decode("ascii", "replace")
    return low | high << 16, salt, plugin if plugin in (_NATIVE, _SHA2) else _NATIVE


def _hashed(plugin: str, password: str, salt: bytes) -> bytes:
    if not password:
        return b""
    if plugin == _SHA2:
        once = hashlib.sha256(password.encode()).digest()
        other = hashlib.sha256(hashlib.sha256(once).digest() + salt).digest()
    else:
        once = hashlib.sha1(password.encode()).digest()  # noqa: S324 - the protocol's choice
        other = hashlib.sha1(salt + hashlib.sha1(once).digest()).digest()  # noqa: S324
    return bytes(left ^ right for left, right in zip(once, other))
