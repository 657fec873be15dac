# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load generator counts every request once, and every failure as one."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

import load
import pytest

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request of a connection with 200."""
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Backend: one\r\n\r\nok")


async def answer_in_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request of a connection with two chunks."""
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n")


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer 503."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    writer.close()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close without an answer."""
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close in the middle of the body."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    writer.close()


async def sleep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(5)
    writer.close()


def judge(serve: Serve, *words: str) -> dict[str, Any]:
    """Send 50 requests per second for 0.4 s to a server on this machine and give the report."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> dict[str, Any]:
        server = await asyncio.start_server(guarded, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        arguments = [f"http://127.0.0.1:{port}/", "--rate", "50", "--duration", "1", *words]
        report = await load.Load(load.parser().parse_args(arguments)).run()
        server.close()
        return report

    return asyncio.run(run())


@pytest.mark.parametrize("words", [("--new", "0"), ("--new", "1"), ("--post", "0"), ("--new", "0.5", "--slow", "0.5")])
def test_all_is_well(words: tuple[str, ...]) -> None:
    report = judge(answer, *words)
    total = report["total"]
    assert total > 10
    assert report["ok"] == total
    assert report["failed"] == 0
    assert report["backends"] == {"one": total}
    assert report["statuses"] == {"200": total}


def test_chunks_are_read_to_the_end() -> None:
    report = judge(answer_in_chunks, "--new", "0")
    assert report["ok"] == report["total"] > 10


@pytest.mark.parametrize(
    ("serve", "kind"),
    [
        (refuse, "status 503"),
        (hang_up, "closed without an answer"),
        (break_off, "closed in the middle of an answer"),
        (sleep, "timeout"),
    ],
)
def test_each_failure_is_counted_once_and_never_tried_again(serve: Serve, kind: str) -> None:
    report = judge(serve, *(("--timeout", "0.3") if serve is sleep else ()))
    # A busy machine may not begin the last one in time.
    total = report["total"]
    assert total > 10
    assert report["kinds"] == {kind: total}
    assert report["ok"] == 0
    assert len(report["examples"]) == min(total, 20)
    assert report["examples"][0]["request"].startswith("GET 127.0.0.1:")


def test_a_request_that_leaves_late_is_a_failure() -> None:
    halts = [1.3]

    async def halt_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while halts:  # nothing else happens meanwhile on this machine
            time.sleep(halts.pop())
        await answer(reader, writer)

    report = judge(halt_once, "--duration", "3")
    assert report["failed"] >= 10
    assert report["kinds"] == {"late": report["failed"]}
    assert report["ok"] == report["total"] - report["failed"] > 0


def test_a_refused_connection_is_a_failure() -> None:
    arguments = load.parser().parse_args(["http://127.0.0.1:1/", "--rate", "50", "--duration", "0.2"])

    async def run() -> dict[str, Any]:
        report: dict[str, Any] = await load.Load(arguments).run()
        return report

    report = asyncio.run(run())
    assert report["kinds"] == {"connect: ConnectionRefusedError": report["total"]}
    assert report["total"] > 0


def test_percentiles() -> None:
    ordered = [n / 1000 for n in range(1, 101)]
    assert load.percentile(ordered, 0.5) == 50
    assert load.percentile(ordered, 0.99) == 99
    assert load.percentile(ordered, 1.0) == 100
    assert load.percentile([], 0.5) is None


def test_targets() -> None:
    target = load.Target.parse("http://[fd77:1::11]:8080/a?b=c", None)
    assert target == load.Target("fd77:1::11", 8080, "/a?b=c", "[fd77:1::11]:8080")
    assert load.Target.parse("http://192.0.2.1", "shop.example").authority == "shop.example"
    with pytest.raises(ValueError, match="not an http"):
        load.Target.parse("ftp://192.0.2.1/", None)
    tls = ssl.create_default_context()
    secure = load.Target.parse("https://192.0.2.1/", "shop.example", tls)
    assert (secure.port, secure.tls) == (443, tls)
    assert load.Target.parse("http://192.0.2.1/", None, tls).tls is None
