# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An application that tells what arrived, as JSON: method, path, headers, and the hash of the body.

``/slow`` answers after 2 s, ``/ws`` becomes a WebSocket that sends back what it gets.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def body(self) -> str:
        """The hash of the body, whole or in chunks."""
        digest = hashlib.sha256()
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                digest.update(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        else:
            left = int(self.headers.get("Content-Length") or 0)
            while left and (part := self.rfile.read(min(left, 65536))):
                digest.update(part)
                left -= len(part)
        return digest.hexdigest()

    def answer(self) -> None:
        if self.path.startswith("/ws"):
            self.echo()
            return
        told = {"method": self.command, "path": self.path, "body": self.body()}
        if self.path.startswith("/slow"):
            time.sleep(2)
        said = json.dumps({**told, "headers": {name.lower(): value for name, value in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def echo(self) -> None:
        key = self.headers.get("Sec-WebSocket-Key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        accept = base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        for line in self.rfile:
            self.wfile.write(line)
        self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


if __name__ == "__main__":
    Server(("", 18085), App).serve_forever()
