# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that judges a database: it commits numbered rows as fast as it can, and remembers which were acknowledged.

DATABASE_URL and REPLICA_URL are libpq's. Requests, each answered with JSON:

    /healthz          200 as soon as it listens
    /begin?name=N     begin to write into the table N; pause=S: so many seconds after each commit; kind=store: into a
                      set of the Redis (store.py), kind=books: into a table of the MariaDB (books.py), kind=queue: to a
                      queue of the RabbitMQ (broker.py); so do the others
    /commit?name=N    commit one row into the table N, on a connection of its own
    /end?name=N       stop, and tell: acknowledged, lost (acknowledged, but not in the table), longest (seconds
                      between two acknowledged commits), gaps (those longer than half a second), errors
    /replica?name=N   how many rows a replica has, and its address
    /primary          who answers as the primary
    /sessions?name=N  set count=C keys of this prefix in the memcached, and read them; how many each server had
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pymysql
from books import BooksWriter
from books import commit as commit_to_books
from books import look as look_at_books
from broker import ERRORS, BrokerWriter
from broker import commit as commit_to_queue
from broker import look as look_at_queue
from psycopg2 import sql
from sessions import fill
from store import StoreError, StoreWriter
from store import commit as commit_to_store
from store import look as look_at_store

# A commit that hangs for longer is given up: whether it was made is then unknown, so it counts as neither.
OPTIONS = "&connect_timeout=2&keepalives_idle=2&keepalives_interval=1&keepalives_count=3&tcp_user_timeout=3000"
WRITERS: dict[str, Writer | StoreWriter | BooksWriter | BrokerWriter] = {}


def connect(variable: str) -> Any:
    """A connection that commits each statement."""
    connection = psycopg2.connect(os.environ[variable] + OPTIONS)
    connection.autocommit = True
    return connection


def named(text: str, table: str) -> sql.Composed:
    """A statement about a table."""
    return sql.SQL(text).format(sql.Identifier(table))


class Writer:
    """Writes into one table until it is told to stop."""

    def __init__(self, table: str, pause: float) -> None:
        self.table = table
        self.pause = pause
        self.acknowledged: list[int] = []
        self.gaps: list[float] = []
        self.errors: dict[str, int] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._write, daemon=True)
        with connect("DATABASE_URL") as connection, connection.cursor() as cursor:
            cursor.execute(named("drop table if exists {}", table))
            cursor.execute(named("create table {} (id bigint primary key, at timestamptz default now())", table))
        self.thread.start()

    def _write(self) -> None:
        connection, number, last = None, 0, time.monotonic()
        while not self.over.is_set():
            number += 1
            try:
                connection = connection or connect("DATABASE_URL")
                with connection.cursor() as cursor:
                    cursor.execute(named("insert into {} (id) values (%s)", self.table), (number,))
            except psycopg2.Error as error:
                words = (str(error).strip() or type(error).__name__).splitlines()[0]
                self.errors[words] = self.errors.get(words, 0) + 1
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.05)
                continue
            now = time.monotonic()
            if now - last > 0.5:
                self.gaps.append(round(now - last, 2))
            last = now
            self.acknowledged.append(number)
            if self.pause:
                time.sleep(self.pause)
        if connection is not None:
            connection.close()

    def report(self) -> dict[str, Any]:
        """Stop, and compare with what is there."""
        self.over.set()
        self.thread.join()
        with connect("DATABASE_URL") as connection, connection.cursor() as cursor:
            cursor.execute(named("select id from {}", self.table))
            there = {row[0] for row in cursor.fetchall()}
        return {
            "acknowledged": len(self.acknowledged),
            "lost": len(set(self.acknowledged) - there),
            "longest": max(self.gaps, default=0.0),
            "gaps": self.gaps,
            "errors": self.errors,
        }


class Handler(BaseHTTPRequestHandler):
    """See the module."""

    def do_GET(self) -> None:
        """Answer."""
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        try:
            answer = self._answer(parts.path, {key: values[0] for key, values in query.items()})
        except (KeyError, *ERRORS, StoreError, psycopg2.Error, pymysql.Error) as error:
            self._send(500, {"error": str(error)})
        else:
            self._send(200 if answer is not None else 404, answer or {})

    def _answer(self, path: str, query: dict[str, str]) -> dict[str, Any] | None:
        name, kind = query.get("name", "ledger"), query.get("kind", "")
        if path == "/healthz":
            return {"ok": True}
        if path == "/begin":
            writer = {"store": StoreWriter, "books": BooksWriter, "queue": BrokerWriter}.get(kind, Writer)
            WRITERS[name] = writer(name, float(query.get("pause", "0")))
            return {"table": name}
        if path == "/commit":
            {"store": commit_to_store, "books": commit_to_books, "queue": commit_to_queue}.get(kind, commit)(name)
            return {"committed": name}
        if path == "/end":
            report = WRITERS[name].report()
            del WRITERS[name]  # only now: who asks again, since a database was away, gets it
            return report
        if path in ("/replica", "/primary"):
            return look_at(kind, path == "/replica", name)
        if path == "/sessions":
            return fill(name, int(query["count"]))
        return None

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def look_at(kind: str, replica: bool, name: str) -> dict[str, Any]:
    """Who answers, and what it has."""
    if kind == "queue":
        return look_at_queue(name)
    if kind == "store":
        return look_at_store("STORE_READ_URL" if replica else "STORE_URL", name)
    if kind == "books":
        return look_at_books("BOOKS_READ_URL" if replica else "BOOKS_URL", name)
    if kind == "crm":
        return look("CRM_URL", name)
    return look("REPLICA_URL" if replica else "DATABASE_URL", name)


def commit(table: str) -> None:
    """One row more."""
    with connect("DATABASE_URL") as connection, connection.cursor() as cursor:
        cursor.execute(named("insert into {} (id) values (%s)", table), (random.getrandbits(62),))
    connection.close()


def look(variable: str, table: str) -> dict[str, Any]:
    """Who answers, and how many rows it has."""
    with connect(variable) as connection, connection.cursor() as cursor:
        cursor.execute("select host(inet_server_addr()), pg_is_in_recovery(), to_regclass(%s) is not null", (table,))
        address, standby, there = cursor.fetchone()
        tls = (connection.info.ssl_in_use, connection.info.ssl_attribute("protocol"))
        rows = 0
        if there:
            cursor.execute(named("select count(*) from {}", table))
            rows = cursor.fetchone()[0]
    return {"address": address, "standby": standby, "rows": rows, "tls": tls}


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8000), Handler).serve_forever()
