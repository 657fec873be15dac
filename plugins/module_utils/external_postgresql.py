# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in to a PostgreSQL: protocol 3.0 with SCRAM-SHA-256, md5 and plain passwords.

Private to the collection. PostgreSQL's manual, "Frontend/Backend Protocol"; RFC 5802 and 7677.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct

from .external_wire import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .external_wire import Wire

_VERSION = 196608
_SSL_REQUEST = 80877103
_OK, _PLAIN, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12


def log_in(wire: Wire, user: str, password: str, database: str) -> str:
    """Log in, and leave. Raises ``Refused`` with the server's words."""
    if wire.encrypted:
        wire.send(struct.pack("!II", 8, _SSL_REQUEST))
        if wire.read(1) != b"S":
            raise Refused("it takes no connection with TLS")
        wire.secure()
    told = {"user": user, "database": database, "application_name": "longshore"}
    pairs = b"".join(f"{name}\0{value}\0".encode() for name, value in told.items())
    wire.send(struct.pack("!II", len(pairs) + 9, _VERSION) + pairs + b"\0")
    scram = _Scram(password)
    while True:
        kind, body = _message(wire)
        if kind == b"R":
            answer = _answer(scram, user, password, body)
            if answer:
                wire.send(b"p" + struct.pack("!I", len(answer) + 4) + answer)
        elif kind == b"Z":
            wire.send(b"X\0\0\0\4")
            return ""


def _message(wire: Wire) -> tuple[bytes, bytes]:
    kind, size = struct.unpack("!cI", wire.read(5))
    if kind not in (b"R", b"S", b"K", b"N", b"Z", b"E", b"v") or size > 1 << 16:
        raise Refused("what answers is no PostgreSQL")
    body = wire.read(size - 4)
    if kind == b"E":
        fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
        raise Refused(f"it says: {fields.get(b'M', 'no')}")
    return kind, body


def _answer(scram: _Scram, user: str, password: str, body: bytes) -> bytes:
    """What is answered to a question for authentication; empty for nothing."""
    (code,) = struct.unpack("!I", body[:4])
    if code == _PLAIN:
        return password.encode() + b"\0"
    if code == _MD5:
        inner = hashlib.md5(f"{password}{user}".encode()).hexdigest()  # noqa: S324 - the server's choice
        return b"md5" + hashlib.md5(inner.encode() + body[4:8]).hexdigest().encode() + b"\0"  # noqa: S324
    if code == _SASL:
        if b"SCRAM-SHA-256" not in body[4:].split(b"\0"):
            raise Refused("it asks for a way to log in that is not supported yet")
        first = scram.first()
        return b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first
    if code == _SASL_CONTINUE:
        return scram.final(body[4:].decode())
    if code not in (_OK, _SASL_FINAL):
        raise Refused("it asks for a way to log in that is not supported yet")
    return b""


class _Scram:
    def __init__(self, password: str) -> None:
        self._password = password.encode()
        self._bare = f"n=,r={base64.b64encode(os.urandom(18)).decode()}"

    def first(self) -> bytes:
        return f"n,,{self._bare}".encode()

    def final(self, told: str) -> bytes:
        parts = dict(part.split("=", 1) for part in told.split(","))
        if not parts["r"].startswith(self._bare.partition("r=")[2]):
            raise Refused("it does not answer what was asked")
        salt, rounds = base64.b64decode(parts["s"]), int(parts["i"])
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, rounds)
        client = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
        without = f"c=biws,r={parts['r']}"
        signed = f"{self._bare},{told},{without}".encode()
        signature = hmac.new(hashlib.sha256(client).digest(), signed, hashlib.sha256).digest()
        proof = bytes(left ^ right for left, right in zip(client, signature))
        return f"{without},p={base64.b64encode(proof).decode()}".encode()
