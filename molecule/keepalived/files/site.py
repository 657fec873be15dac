# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers with the name of its server, over IPv4 and IPv6."""

from __future__ import annotations

import http.server
import socket


class Server(http.server.ThreadingHTTPServer):
    """On all addresses of both families."""

    address_family = socket.AF_INET6


class Handler(http.server.BaseHTTPRequestHandler):
    """Whatever is asked."""

    def do_GET(self) -> None:
        """Say who it is."""
        body = socket.gethostname().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


Server(("::", 18090), Handler).serve_forever()
