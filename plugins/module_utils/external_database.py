# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a database that somebody else runs can be used: reached, trusted, and logged in to.

Private to the collection. With Python's own library alone: it is asked before anything is installed.
"""

from __future__ import annotations

import os
import socket
import ssl

from .external_mariadb import log_in as log_in_to_mariadb
from .external_postgresql import log_in as log_in_to_postgresql
from .external_wire import Refused, Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Seconds for the connection, and for each answer.
PATIENCE = 5.0
# Debian's file of trusted authorities; a blank server may have none yet.
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"


def problem(given: Mapping[str, Any], password: str, trusted: str = "") -> tuple[str, str]:
    """What is wrong with a database, in a few words (empty: nothing), and what else is to be said of it.

    ``given`` has ``engine``, ``host``, ``port``, ``database``, ``user``, ``tls`` and ``authority`` (PEM; empty for the
    authorities that the server trusts and those in ``trusted``).
    """
    host, port = given["host"], int(given["port"])
    try:
        with socket.create_connection((host, port), PATIENCE) as connection:
            if given["tls"] and not (given["authority"] or trusted or os.path.exists(TRUSTED)):
                # Nobody gets a password whom nobody can judge.
                return "", "its certificate and password were not tried: this server trusts nobody yet"
            connection.settimeout(PATIENCE)
            return "", _log_in(given, Wire(connection, host, _context(given, trusted)), password)
    except (Refused, OSError) as error:
        return _words(error, host, port), ""


def _words(error: Exception, host: str, port: int) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message or error.reason}"
    if isinstance(error, ssl.SSLError):
        return f"it speaks no TLS that is good enough: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"the name {host} leads nowhere"
    if isinstance(error, ConnectionRefusedError):
        return f"nobody listens on port {port} of {host}"
    # In Python 3.9 they are two.
    if isinstance(error, (socket.timeout, TimeoutError)):
        return f"no answer from {host}, port {port}, within {PATIENCE:.0f} s: a firewall, or the wrong address"
    return f"it can't be reached: {error.strerror or error}" if isinstance(error, OSError) else str(error)


def _context(given: Mapping[str, Any], trusted: str) -> ssl.SSLContext | None:
    """Whom to trust; None without TLS. Raises ``Refused`` for what is no certificate."""
    if not given["tls"]:
        return None
    try:
        if given["authority"]:
            return ssl.create_default_context(cadata=given["authority"])
        context = ssl.create_default_context(cafile=TRUSTED if os.path.exists(TRUSTED) else None)
        if trusted:
            context.load_verify_locations(cadata=trusted)
    except (ssl.SSLError, ValueError) as error:
        raise Refused(f"the certificate of its authority can't be read: {error}") from error
    return context


def _log_in(given: Mapping[str, Any], wire: Wire, password: str) -> str:
    engine, user = given["engine"], given["user"] or ""
    if engine == "postgresql":
        return log_in_to_postgresql(wire, user, password, given["database"] or user)
    if engine == "mariadb":
        return log_in_to_mariadb(wire, user, password, given["database"] or "")
    wire.secure()
    if engine == "memcached":
        wire.send(b"version\r\n")
        if not wire.line().startswith("VERSION"):
            raise Refused("what answers is no memcached")
        return ""
    return _log_in_to_redis(wire, user, password, given["database"] or "0")


def _log_in_to_redis(wire: Wire, user: str, password: str, database: str) -> str:
    commands = [["SELECT", database], ["PING"]]
    if password:
        commands.insert(0, ["AUTH", user, password] if user else ["AUTH", password])
    for command in commands:
        words = [word.encode() for word in command]
        wire.send(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        answer = wire.line()
        if answer.startswith("-"):
            raise Refused(f"it says: {answer[1:]}")
        if not answer.startswith("+"):
            raise Refused("what answers is no Redis")
    return ""
