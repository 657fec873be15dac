# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site to put behind a load balancer: it writes down every request before it answers, and dies on demand.

    site.py LOG [CERTIFICATE]     # listens on port 18081, with a certificate and its key on 18443 too, and on 18083

``/headers`` answers with the request's headers as JSON, ``/slow`` after 2 s, ``/die`` never: the process ends. ``/ws``
becomes a WebSocket that sends each line back, ``/long`` is a long text. Anything else is answered at once with the path
that arrived. Each line of LOG is a method and a path; health checks are left out. Port 18083 tells the first line that
it reads, after its own name.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import socketserver
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/healthz":
            with Path(sys.argv[1]).open("a") as log:
                log.write(f"{self.command} {self.path}\n")
        if self.path.startswith("/die"):
            os._exit(1)
        if self.path.startswith("/slow"):
            time.sleep(2)
        if self.path.startswith("/ws"):
            self.echo()
            return
        told = dict(self.headers.items()) if self.path.endswith("/headers") else self.path
        body = (b"long " * 2000) if self.path == "/long" else json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/plain" if self.path == "/long" else "application/json")
        self.send_header("X-Backend", socket.gethostname())
        self.end_headers()
        self.wfile.write(body)

    def echo(self) -> None:
        """What is sent after the handshake comes back, line by line; HAProxy does not look into it."""
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        key = self.headers.get("Sec-WebSocket-Key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
        accept = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.wfile.flush()
        for line in self.rfile:
            self.wfile.write(line)
        self.close_connection = True

    do_GET = do_POST = answer  # noqa: N815 - names that the library looks for

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


class Line(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(socket.gethostname().encode() + b" " + self.rfile.readline())


def serve(server: socketserver.BaseServer) -> None:
    threading.Thread(target=server.serve_forever, daemon=True).start()


if __name__ == "__main__":
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    serve(socketserver.ThreadingTCPServer(("", 18083), Line))
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2])
        secure = Server(("", 18443), Site)
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        serve(secure)
    Server(("", 18081), Site).serve_forever()
