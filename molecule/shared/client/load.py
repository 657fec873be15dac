# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send requests at a constant rate and count what fails: the judge of "no request was lost".

Requests leave on a fixed timetable whatever the answers do (an open loop), nothing is ever tried again, and a request
that leaves more than a second after its time has failed ("late"), whatever the answer: this machine was too busy to
judge. Standard library only.

    python3 load.py http://198.51.100.11/ 'http://[fd77:1::12]/' --rate 300 --host shop.example --duration 60

It ends after `--duration` seconds, or on SIGTERM or SIGINT, waits for the answers under way and writes one JSON object
to standard output (and to `--report FILE`):

    {"total": 18000, "ok": 18000, "failed": 0, "kinds": {}, "examples": [], "seconds": 60.0, "rate": 300.0,
     "latency_ms": {"p50": 2.1, "p99": 9.8, "max": 31.0}, "backends": {"4f1c…": 6000, …}, "statuses": {"200": 18000}}

The exit code is 0 if nothing failed and at least one request was sent, else 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import ssl
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

EXAMPLES = 20
LATE = 1.0  # seconds
DEFAULT_PORTS = {"http": 80, "https": 443}


class FailedError(Exception):
    """A request failed; the text is the kind of failure."""


@dataclass(frozen=True)
class Target:
    """Where requests go: `host` is what the connection is made to, `authority` what the Host header says.

    With `tls` the certificate has to be one for that name, by an authority of `tls`.
    """

    host: str
    port: int
    path: str
    authority: str
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, url: str, authority: str | None, tls: ssl.SSLContext | None = None) -> Target:
        """Read an http URL, or an https one if there is a `tls`; IPv6 addresses stand in brackets."""
        parts = urlsplit(url)
        known = parts.scheme == "http" or (parts.scheme == "https" and tls is not None)
        if not known or not parts.hostname:
            raise ValueError(f"{url!r} is not an http:// or https:// URL")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        return cls(parts.hostname, port, path, authority or parts.netloc, tls if parts.scheme == "https" else None)


@dataclass
class Tally:
    """Everything counted; latencies in seconds, of successful requests that are not slow on purpose."""

    total: int = 0
    ok: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    backends: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)

    def fail(self, kind: str, what: str, began: float) -> None:
        """Count a failure and keep the first ones as examples, with the time (Unix seconds) when they were sent."""
        self.kinds[kind] += 1
        if len(self.examples) < EXAMPLES:
            after = round(time.time() - began, 3)
            self.examples.append({"at": round(began, 3), "after": after, "kind": kind, "request": what})

    def report(self, seconds: float) -> dict[str, Any]:
        """Give the result as plain data; latencies in milliseconds."""
        ordered, shares = sorted(self.latencies), {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return {
            "total": self.total,
            "ok": self.ok,
            "failed": sum(self.kinds.values()),
            "kinds": dict(self.kinds),
            "examples": self.examples,
            "seconds": round(seconds, 2),
            "rate": round(self.total / seconds, 1) if seconds else 0.0,
            "latency_ms": {name: percentile(ordered, share) for name, share in shares.items()},
            "backends": dict(self.backends),
            "statuses": dict(self.statuses),
        }


def percentile(ordered: list[float], share: float) -> float | None:
    """Give the latency that `share` of the requests did not exceed, in milliseconds; None without requests."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))] * 1000, 2)


@dataclass
class Response:
    """An answer; `reusable` tells whether the connection may carry another request."""

    status: int
    headers: dict[str, str]
    body: bytes
    reusable: bool


class Connection:
    """One HTTP/1.1 connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over an open stream."""
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, target: Target) -> Connection:
        """Connect; a refusal, an unreachable host or a certificate that is not good is a failure."""
        try:
            name = target.authority.partition(":")[0] if target.tls else None
            return cls(*await asyncio.open_connection(target.host, target.port, ssl=target.tls, server_hostname=name))
        except OSError as error:
            raise FailedError(f"connect: {type(error).__name__}") from None

    @property
    def idle(self) -> bool:
        """Tell whether the server still holds the connection open and has sent nothing unasked."""
        return not (self.writer.is_closing() or self.reader.at_eof())

    async def ask(self, request: bytes, *, head: bool = False) -> Response:
        """Send a request and read the whole answer."""
        try:
            self.writer.write(request)
            await self.writer.drain()
            return await self.receive(head=head)
        except asyncio.IncompleteReadError as error:
            raise FailedError(
                "closed in the middle of an answer" if error.partial else "closed without an answer"
            ) from None
        except (OSError, asyncio.LimitOverrunError, ValueError) as error:
            raise FailedError(f"broken: {type(error).__name__}") from None

    async def receive(self, *, head: bool) -> Response:
        """Read one answer with its length, its chunks, or up to the end of the connection."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ", 2)[1])
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        reusable = headers.get("connection", "").lower() != "close" and not lines[0].startswith("HTTP/1.0")
        if head or status in {204, 304}:
            body = b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body = await self.chunks()
        elif "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        else:
            body, reusable = await self.reader.read(), False
        return Response(status, headers, body, reusable)

    async def chunks(self) -> bytes:
        """Read a chunked body."""
        body = b""
        while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        while await self.reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return body

    def close(self) -> None:
        """Close without waiting."""
        self.writer.close()


class Load:
    """The generator: a timetable, a pool of kept connections per target, and the tally."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Take the command line's options."""
        self.options = options
        tls = ssl.create_default_context(cafile=options.ca)
        self.targets = [Target.parse(url, options.host, tls) for url in options.urls]
        self.pools: list[list[Connection]] = [[] for _ in self.targets]
        self.tally = Tally()
        self.stopped = asyncio.Event()
        self.random = random.Random(options.seed)  # noqa: S311 - a mix of requests, no secret

    async def run(self) -> dict[str, Any]:
        """Send until the time is over or a signal comes; gives the report."""
        loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopped.set)
        begun, sent = loop.time(), 0
        end = begun + self.options.duration if self.options.duration else float("inf")
        while not self.stopped.is_set() and loop.time() < end:
            due = begun + sent / self.options.rate
            if (pause := due - loop.time()) > 0:
                with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                    await asyncio.wait_for(self.stopped.wait(), min(pause, max(end - loop.time(), 0.001)))
                continue
            task = loop.create_task(self.one(sent % len(self.targets), late=-pause > LATE))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        seconds = loop.time() - begun
        if tasks:
            await asyncio.wait(set(tasks))
        for pool in self.pools:
            for connection in pool:
                connection.close()
        return self.tally.report(seconds)

    async def one(self, index: int, *, late: bool) -> None:
        """Send one request, once, and count what became of it."""
        options, target = self.options, self.targets[index]
        slow = self.random.random() < options.slow
        post = not slow and self.random.random() < options.post
        fresh = self.random.random() < options.new
        path = options.slow_path if slow else options.post_path if post else target.path
        what = f"{'POST' if post else 'GET'} {target.host}:{target.port}{path}{' new' if fresh else ''}"
        self.tally.total += 1
        began, clock = time.time(), time.perf_counter()
        try:
            response = await asyncio.wait_for(self.send(index, path, post=post, fresh=fresh), options.timeout)
        except (asyncio.TimeoutError, TimeoutError):
            self.tally.fail("timeout", what, began)
        except FailedError as failure:
            self.tally.fail(str(failure), what, began)
        else:
            self.tally.statuses[str(response.status)] += 1
            if not 200 <= response.status < 400:
                self.tally.fail(f"status {response.status}", what, began)
                return
            if late:
                self.tally.fail("late", what, began)
                return
            self.tally.ok += 1
            self.tally.backends[response.headers.get(options.backend_header.lower(), "?")] += 1
            if not slow:
                self.tally.latencies.append(time.perf_counter() - clock)

    async def send(self, index: int, path: str, *, post: bool, fresh: bool) -> Response:
        """Send one request over a kept connection, or over a new one if `fresh` is wanted or none is open."""
        target, pool = self.targets[index], self.pools[index]
        connection = None
        while pool and not fresh and connection is None:
            kept = pool.pop()
            if kept.idle:
                connection = kept
            else:
                kept.close()
        connection = connection or await Connection.open(target)
        body = b'{"by": 1}' if post else b""
        lines = [f"{'POST' if post else 'GET'} {path} HTTP/1.1", f"Host: {target.authority}", "User-Agent: lab"]
        lines += ["Connection: close"] if fresh else []
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if post else []
        kept_open = False
        try:
            response = await connection.ask("\r\n".join([*lines, "", ""]).encode() + body)
            kept_open = response.reusable and not fresh
        finally:
            if kept_open:
                pool.append(connection)
            else:
                connection.close()
        return response


def share(text: str) -> float:
    """Read a share between 0 and 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a share is between 0 and 1")
    return value


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    options = argparse.ArgumentParser(description="Send HTTP requests at a constant rate and count what fails.")
    options.add_argument("urls", nargs="+", help="http:// and https:// URLs, taken in turn")
    options.add_argument("--rate", type=float, default=100.0, help="requests per second in all (default: 100)")
    options.add_argument("--duration", type=float, default=0.0, help="seconds (default: until SIGTERM)")
    options.add_argument("--host", help="Host header (default: the URL's)")
    options.add_argument("--ca", help="PEM file of the authorities that certificates may be by (default: the system's)")
    options.add_argument("--timeout", type=float, default=10.0, help="seconds per request, connecting included (10)")
    options.add_argument("--new", type=share, default=0.3, help="share of requests on a new connection (default: 0.3)")
    options.add_argument("--slow", type=share, default=0.0, help="share of slow requests (default: 0)")
    options.add_argument("--slow-path", default="/slow?s=2", help="what slow requests ask for (default: /slow?s=2)")
    options.add_argument("--post", type=share, default=0.0, help="share of POST requests (default: 0)")
    options.add_argument("--post-path", default="/count", help="where POST requests go (default: /count)")
    options.add_argument("--backend-header", default="x-backend", help="header that names who answered (x-backend)")
    options.add_argument("--seed", type=int, default=1, help="of the mix of requests (default: 1)")
    options.add_argument("--report", type=Path, help="also write the report here")
    return options


def main() -> int:
    """Run; gives the exit code."""
    options = parser().parse_args()

    async def run() -> dict[str, Any]:
        return await Load(options).run()

    report = asyncio.run(run())
    text = json.dumps(report, indent=1) + "\n"
    sys.stdout.write(text)
    if options.report:
        options.report.write_text(text)
    return 0 if report["total"] and not report["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
