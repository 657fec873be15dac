# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that speak JSON over HTTPS and want a certificate, as etcd and Patroni do; a clock that waiting moves."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ansible_collections.longshore.stack.plugins.module_utils import ca_openssl
from ansible_collections.longshore.stack.plugins.module_utils.rest import Rest
from ansible_collections.longshore.stack.plugins.module_utils.run import Run

# (method, path, body) → status and answer; a text is sent as it is.
Answer = Callable[[str, str, Any], tuple[int, Any]]
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


def certificates(directory: Path, name: str) -> Path:
    """A directory with an authority, and a certificate of it for all ``ADDRESSES``."""
    made = directory / name
    made.mkdir()
    key, own = ca_openssl.make_key(), ca_openssl.make_key()
    authority = ca_openssl.make_authority(key, "Test CA")
    request = ca_openssl.make_request(own, "db1")
    (made / "ca.crt").write_text(authority)
    (made / "tls.crt").write_text(ca_openssl.sign(request, [f"IP:{each}" for each in ADDRESSES], 1, key, authority))
    (made / "tls.key").write_text(own)
    return made


def rest(files: Path) -> Rest:
    """One who trusts and shows these certificates."""
    return Rest(str(files / "ca.crt"), str(files / "tls.crt"), str(files / "tls.key"))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_words: Any) -> None:
        """A client that hangs up is none of the test's business."""


@dataclass
class Peers:
    """The servers of a test, all on one port."""

    files: Path
    port: int = 0
    servers: dict[str, ThreadingHTTPServer] = field(default_factory=dict)

    def serve(self, address: str, answer: Answer, files: Path | None = None) -> None:
        """Answer at ``address``, with a certificate of the test's own or of ``files``, whoever shows one of either."""
        own = files or self.files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own / "tls.crt", own / "tls.key")
        for each in (own, self.files):
            context.load_verify_locations(each / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        server = _Server((address, self.port), _handler(answer))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = server.server_address[1]
        self.servers[address] = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """End them all."""
        for server in self.servers.values():
            server.shutdown()
            server.server_close()


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, found = answer(self.command, self.path, body)
            text = (found if isinstance(found, str) else json.dumps(found)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the library's names

        def log_message(self, *_words: Any) -> None:
            """Nobody reads it."""

    return Handler


class Clock(Run):
    """A run that waits without taking time, and notes what it tells; ``events`` happen once their time has come."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.told: list[str] = []
        self.events: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        """As ``time.monotonic``."""
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for event in [each for each in self.events if each[0] <= self.now]:
            self.events.remove(event)
            event[1]()

    def progress(self, line: str) -> None:
        self.told.append(line)
