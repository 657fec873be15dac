# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that judges a MariaDB: it commits numbered rows, and remembers which were acknowledged.

BOOKS_URL is that of the primary, BOOKS_READ_URL that of a replica, BOOKS_AUTHORITY the file with the certificate of
whom to trust.
"""

from __future__ import annotations

import os
import random
import ssl
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import pymysql

PATIENCE = 3.0  # seconds


def connect(variable: str) -> Any:
    """A connection that commits each statement."""
    place = urlsplit(os.environ[variable])
    return pymysql.connect(
        host=place.hostname,
        port=place.port or 3306,
        user=place.username,
        password=place.password,
        database=place.path[1:],
        ssl=ssl.create_default_context(cafile=os.environ["BOOKS_AUTHORITY"]),
        autocommit=True,
        connect_timeout=2,
        read_timeout=PATIENCE,
        write_timeout=PATIENCE,
    )


def named(table: str) -> str:
    """A table as SQL takes it."""
    return "`" + table.replace("`", "``") + "`"


def commit(table: str) -> None:
    """One row more."""
    with connect("BOOKS_URL") as connection, connection.cursor() as cursor:
        cursor.execute(f"insert into {named(table)} values (%s)", (random.getrandbits(62),))  # noqa: S608 - quoted


class BooksWriter:
    """Writes into one table until it is told to stop."""

    def __init__(self, table: str, pause: float) -> None:
        self.table = table
        self.pause = pause
        self.acknowledged: list[int] = []
        self.longest = 0.0
        self.errors: dict[str, int] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._write, daemon=True)
        with connect("BOOKS_URL") as connection, connection.cursor() as cursor:
            cursor.execute(f"drop table if exists {named(table)}")
            cursor.execute(f"create table {named(table)} (id bigint primary key)")
        self.thread.start()

    def _write(self) -> None:
        connection, number, last = None, 0, time.monotonic()
        while not self.over.is_set():
            number += 1
            try:
                connection = connection or connect("BOOKS_URL")
                with connection.cursor() as cursor:
                    cursor.execute(f"insert into {named(self.table)} values (%s)", (number,))  # noqa: S608 - quoted
            except (pymysql.Error, OSError) as error:
                words = str(error)
                self.errors[words] = self.errors.get(words, 0) + 1
                if connection is not None:
                    # Not close(): it would say goodbye to a server that may be away.
                    connection._force_close()
                connection = None
                time.sleep(0.05)
                continue
            now = time.monotonic()
            self.longest = max(self.longest, now - last)
            last = now
            self.acknowledged.append(number)
            time.sleep(self.pause)
        if connection is not None:
            connection.close()

    def report(self) -> dict[str, Any]:
        """Stop, and compare with what is there."""
        self.over.set()
        self.thread.join()
        with connect("BOOKS_URL") as connection, connection.cursor() as cursor:
            cursor.execute(f"select id from {named(self.table)}")  # noqa: S608 - quoted
            there = {row[0] for row in cursor.fetchall()}
        return {
            "acknowledged": len(self.acknowledged),
            "lost": len(set(self.acknowledged) - there),
            "longest": round(self.longest, 2),
            "errors": self.errors,
        }


def look(variable: str, table: str) -> dict[str, Any]:
    """Who answers, whether it is read only, and how many rows it has."""
    with connect(variable) as connection, connection.cursor() as cursor:
        cursor.execute("select @@global.report_host, @@global.read_only")
        address, standby = cursor.fetchone()
        cursor.execute("show status like 'Ssl_version'")
        tls = cursor.fetchone()[1]
        cursor.execute("show tables like %s", (table,))
        rows = 0
        if cursor.fetchone() is not None:
            cursor.execute(f"select count(*) from {named(table)}")  # noqa: S608 - quoted
            rows = cursor.fetchone()[0]
    return {"address": address, "standby": bool(standby), "rows": rows, "tls": tls}
