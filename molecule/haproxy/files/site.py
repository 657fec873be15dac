# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site to put behind a load balancer: it writes down every request before it answers, and dies on demand.

    site.py LOG       # listens on port 18081

``/headers`` answers with the request's headers as JSON, ``/slow`` after 2 s, ``/die`` never: the process ends. Anything
else is answered at once. Each line of LOG is a method and a path; health checks are left out.
"""

from __future__ import annotations

import json
import os
import socket
import sys
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
        body = json.dumps(dict(self.headers.items()) if self.path == "/headers" else "ok").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Backend", socket.gethostname())
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 - names that the library looks for

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


if __name__ == "__main__":
    Server(("", 18081), Site).serve_forever()
