# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of databases that somebody else runs; that real ones take the logins is tried on real servers."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import external_postgresql
from ansible_collections.longshore.stack.plugins.module_utils.external_database import problem

GREETING = (
    b"\x0a11.8.3-MariaDB\0" + b"\1\0\0\0" + b"abcdefgh\0" + b"\xfe\xf7" + b"\x2d" + b"\2\0" + b"\xff\x81" + b"\x15"
    b"\0\0\0\0\0\0\0\0\0\0" + b"ijklmnopqrst\0" + b"mysql_native_password\0"
)


def packet(number: int, body: bytes) -> bytes:
    """One of MariaDB's."""
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def message(kind: bytes, body: bytes) -> bytes:
    """One of PostgreSQL's."""
    return kind + struct.pack("!I", len(body) + 4) + body


@contextmanager
def answering(*answers: bytes, first: bytes = b"") -> Iterator[tuple[int, list[bytes]]]:
    """A server that says ``first``, and one answer to each thing it hears; gives its port, and what it has heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _place = listening.accept()
            with connection:
                connection.sendall(first)
                for answer in answers:
                    heard.append(connection.recv(4096))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], heard
        thread.join(5)


def asked(engine: str, port: int, **more: Any) -> tuple[str, str]:
    """What is said of the one at this port."""
    known = {"engine": engine, "host": "127.0.0.1", "port": port, "database": "", "user": "", "authority": ""}
    return problem({**known, "tls": False, **more}, "secret")


def test_a_redis_is_logged_in_to() -> None:
    with answering(b"+OK\r\n", b"+OK\r\n", b"+PONG\r\n") as (port, heard):
        assert asked("redis", port, user="app", database="3") == ("", "")
    assert heard[0] == b"*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$6\r\nsecret\r\n"
    assert heard[1] == b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"


@pytest.mark.parametrize(
    ("engine", "first", "answers", "expected"),
    [
        ("redis", b"", [b"-WRONGPASS invalid\r\n"], "it says: WRONGPASS invalid"),
        ("redis", b"", [b"HTTP/1.1 400\r\n"], "what answers is no Redis"),
        ("memcached", b"", [b"VERSION 1.6.38\r\n"], ""),
        ("memcached", b"", [b"ERR\r\n"], "what answers is no memcached"),
        ("memcached", b"", [b""], "it closed the connection"),
        ("mariadb", packet(0, GREETING), [packet(2, b"\0\0\0")], ""),
        ("mariadb", packet(0, GREETING), [packet(2, b"\xff\x15\x04#28000Access denied")], "it says: Access denied"),
        ("mariadb", packet(0, b"\xff\x6a\x04Host not allowed"), [], "it says: Host not allowed"),
        ("mariadb", b"SSH-2.0-OpenSSH\r\n", [], "what answers is no MariaDB"),
        ("postgresql", b"", [message(b"R", b"\0\0\0\3"), message(b"R", b"\0\0\0\0") + message(b"Z", b"I")], ""),
        ("postgresql", b"", [message(b"E", b"SFATAL\0C3D000\0Mno database x\0\0")], "it says: no database x"),
        ("postgresql", b"", [b"HTTP/1.1 400 Bad Request\r\n"], "what answers is no PostgreSQL"),
    ],
)
def test_what_a_server_answers_decides(engine: str, first: bytes, answers: list[bytes], expected: str) -> None:
    with answering(*answers, first=first) as (port, _heard):
        assert asked(engine, port, user="app", database="1") == (expected, "")


def test_a_password_of_another_kind_is_not_tried_and_that_is_said() -> None:
    other = packet(2, b"\xfeclient_ed25519\0" + b"x" * 32)
    with answering(other, first=packet(0, GREETING)) as (port, heard):
        assert asked("mariadb", port, user="app") == ("", "its password is for client_ed25519, and was not tried")
    assert b"secret" not in heard[0]


def test_without_tls_where_it_is_asked_for_no_password_is_sent() -> None:
    with answering(b"N") as (port, heard):
        wrong, _more = asked("postgresql", port, user="app", tls=True, authority="")
    assert wrong == "it takes no connection with TLS"
    assert b"app" not in heard[0]
    with answering(b"+OK\r\n") as (port, heard):
        wrong, _more = asked("redis", port, tls=True)
    assert "TLS" in wrong
    assert b"secret" not in heard[0]


def test_what_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert asked("redis", port) == (f"nobody listens on port {port} of 127.0.0.1", "")
    assert asked("redis", port, host="nowhere.invalid") == ("the name nowhere.invalid leads nowhere", "")


def test_scram_as_its_rfc_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7677's own conversation, with an empty name as PostgreSQL wants it: the proof is that of these words."""
    scram = external_postgresql._Scram("pencil")
    monkeypatch.setattr(scram, "_bare", "n=user,r=rOprNGfwEbeRWgbNEkqO")
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    told = f"r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert scram.final(told).decode() == f"c=biws,r={nonce},p={proof}"
