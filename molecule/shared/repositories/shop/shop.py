# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small shop page that tells what a deployment must know: who answers, in which version, and what was lost.

    /              the page
    /healthz       200 as long as it serves, 503 once it has been told to stop
    /version       version and host name as JSON
    /slow?s=2      answers after s seconds (at most 60)
    /headers       the request's headers and the peer's address as JSON
    /env           names of the environment's variables, with the SHA-256 of each value, never a value
    POST /count    counts, gives the count as JSON
    POST /echo     gives the body back

Every answer carries X-Backend (the host name) and X-Version. On SIGTERM it goes on accepting for GRACE seconds
(default 0), then closes the listening socket, finishes what is under way, and leaves. Its standard output is JSON
lines: {"event": "request", "accepted": <Unix seconds>, …}, {"event": "sigterm", "at": …}, {"event": "exit", "late": …},
where "late" counts the requests that were accepted more than 0.2 s after SIGTERM.
"""

import hashlib
import html
import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

VERSION = os.environ.get("VERSION") or Path(__file__).with_name("version.txt").read_text().strip()
HOST = socket.gethostname()
PORT = int(os.environ.get("PORT", "3000"))
GRACE = float(os.environ.get("GRACE", "0"))  # seconds
LATE = 0.2  # seconds
BODY_LIMIT = 1 << 20

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Shop</title>
<style>body {{ font: 1.1rem/1.6 system-ui, sans-serif; margin: 4rem auto; max-width: 36rem; }}</style>
<h1>The shop is open</h1>
<p>Version <b>{version}</b>, served by <b>{host}</b> to {peer}.</p>
</html>
"""


class State:
    """What the process has seen; guarded by `lock`."""

    lock = threading.Lock()
    count = 0
    active = 0
    late = 0
    requests = 0
    stopped_at = 0.0  # Unix seconds; 0 as long as it serves


def log(**event: object) -> None:
    """Write one event as a line of JSON."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class Server(ThreadingHTTPServer):
    """Listens on IPv4 and IPv6 and remembers when each connection was accepted."""

    address_family = socket.AF_INET6
    request_queue_size = 1024
    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Serve both address families with one socket."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.bind(self.server_address)


class Handler(BaseHTTPRequestHandler):
    """Answers requests; a connection is kept open until the shop stops."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 65

    def handle_one_request(self) -> None:
        """Wait for the first bytes of a request, which is when it counts as accepted."""
        try:
            if not self.rfile.peek(1):
                self.close_connection = True
                return
        except OSError:
            self.close_connection = True
            return
        accepted = time.time()
        with State.lock:
            State.active += 1
            State.requests += 1
            late = bool(State.stopped_at) and accepted > State.stopped_at + LATE
            State.late += late
        try:
            super().handle_one_request()
        finally:
            with State.lock:
                State.active -= 1
            if State.stopped_at:
                self.close_connection = True
            log(
                event="request",
                accepted=round(accepted, 4),
                took=round(time.time() - accepted, 4),
                late=late,
                line=getattr(self, "requestline", ""),
                peer=self.client_address[0],
            )

    def do_GET(self) -> None:
        """Answer a GET."""
        parts = urlsplit(self.path)
        if parts.path == "/":
            peer = html.escape(self.headers.get("X-Forwarded-For", self.client_address[0]))
            page = PAGE.format(version=html.escape(VERSION), host=HOST, peer=peer)
            self.answer(page, kind="text/html; charset=utf-8")
        elif parts.path == "/healthz":
            self.answer({"ok": not State.stopped_at}, status=503 if State.stopped_at else 200)
        elif parts.path == "/version":
            self.answer({"version": VERSION, "host": HOST})
        elif parts.path == "/slow":
            self.slow(parse_qs(parts.query).get("s", ["2"])[0])
        elif parts.path == "/headers":
            self.answer({"headers": dict(self.headers.items()), "peer": self.client_address[0], "host": HOST})
        elif parts.path == "/env":
            values = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in sorted(os.environ.items())}
            self.answer(values)
        else:
            self.answer({"error": "there is no such page"}, status=404)

    def do_HEAD(self) -> None:
        """Answer a HEAD."""
        self.do_GET()

    def do_POST(self) -> None:
        """Answer a POST."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_LIMIT:
            self.close_connection = True
            self.answer({"error": "too long"}, status=413)
            return
        body = self.rfile.read(length)
        if self.path == "/count":
            with State.lock:
                State.count += 1
                count = State.count
            self.answer({"count": count, "host": HOST})
        elif self.path == "/echo":
            self.answer(body, kind=self.headers.get("Content-Type", "application/octet-stream"))
        else:
            self.answer({"error": "there is no such page"}, status=404)

    def slow(self, seconds: str) -> None:
        """Answer after some seconds."""
        try:
            wait = min(max(float(seconds), 0.0), 60.0)
        except ValueError:
            self.answer({"error": "s is a number of seconds"}, status=400)
            return
        time.sleep(wait)
        self.answer({"slept": wait, "host": HOST})

    def answer(self, body: object, *, status: int = 200, kind: str = "application/json") -> None:
        """Send one answer; anything but text and bytes goes out as JSON."""
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes):
            body = (json.dumps(body) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Backend", HOST)
        self.send_header("X-Version", VERSION)
        if State.stopped_at:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Leave logging to `log`."""


def main() -> None:
    """Serve until SIGTERM or SIGINT, finish what is under way, and leave."""
    server = Server(("::", PORT), Handler)
    stop = threading.Event()

    def on_signal(*_: object) -> None:
        State.stopped_at = State.stopped_at or time.time()
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    log(event="start", at=time.time(), version=VERSION, host=HOST, port=PORT)
    stop.wait()
    log(event="sigterm", at=State.stopped_at)
    time.sleep(GRACE)
    server.shutdown()
    server.server_close()
    quiet_since = time.time()
    while State.active or time.time() - quiet_since < 0.1:
        if State.active:
            quiet_since = time.time()
        time.sleep(0.02)
    log(event="exit", at=time.time(), requests=State.requests, late=State.late)


if __name__ == "__main__":
    main()
