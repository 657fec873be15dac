# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that judges a Redis: it adds numbers to a set, and remembers when which was acknowledged.

STORE_URL is that of the primary, STORE_READ_URL that of a replica, STORE_AUTHORITY the file with the certificate of
whom to trust.
"""

from __future__ import annotations

import os
import random
import socket
import ssl
import threading
import time
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 2.0  # seconds


class StoreError(Exception):
    """What the server said."""


class Store:
    """One connection, which is logged in."""

    def __init__(self, variable: str) -> None:
        place = urlsplit(os.environ[variable])
        host = str(place.hostname)
        trust = ssl.create_default_context(cafile=os.environ["STORE_AUTHORITY"])
        plain = socket.create_connection((host, place.port or 6379), timeout=PATIENCE)
        self.connection = trust.wrap_socket(plain, server_hostname=host)
        self.answers = self.connection.makefile("rb")
        self.ask("AUTH", str(place.username), str(place.password))

    def ask(self, *words: object) -> Any:
        """An answer: a text, a number or a list. Raises ``StoreError`` for an error, ``OSError`` when there is none."""
        parts = [str(word).encode() for word in words]
        packed = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self.connection.sendall(b"*%d\r\n%s" % (len(parts), packed))
        return self._answer()

    def _answer(self) -> Any:
        line = self.answers.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("closed")
        kind, text = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise StoreError(text)
        if kind == b"$":
            return self.answers.read(int(text) + 2)[:-2].decode() if int(text) >= 0 else None
        if kind == b"*":
            return [self._answer() for _ in range(int(text))]
        return int(text) if kind == b":" else text

    def close(self) -> None:
        """Be done with it."""
        self.connection.close()


class StoreWriter:
    """Adds numbers to one set until it is told to stop."""

    def __init__(self, key: str, pause: float) -> None:
        self.key = key
        self.pause = pause
        self.acknowledged: dict[int, float] = {}
        self.gap = (0.0, 0.0)  # its length, and when it began
        self.errors: dict[str, int] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._write, daemon=True)
        store = Store("STORE_URL")
        store.ask("DEL", key)
        store.close()
        self.thread.start()

    def _write(self) -> None:
        store: Store | None = None
        number, last = 0, time.monotonic()
        while not self.over.is_set():
            number += 1
            try:
                store = store or Store("STORE_URL")
                store.ask("SADD", self.key, number)
            except (OSError, StoreError) as error:
                words = (str(error) or type(error).__name__).splitlines()[0]
                self.errors[words] = self.errors.get(words, 0) + 1
                if store is not None:
                    store.close()
                store = None
                time.sleep(0.05)
                continue
            now = time.monotonic()
            self.gap = max(self.gap, (now - last, last))
            last = self.acknowledged[number] = now
            time.sleep(self.pause)

    def report(self) -> dict[str, Any]:
        """Stop, and compare with what is there. ``oldest``: how many seconds before the gap a lost one was written."""
        self.over.set()
        self.thread.join()
        store = Store("STORE_URL")
        there = {int(each) for each in store.ask("SMEMBERS", self.key)}
        # Its memory is small; that nothing at all is left would look like a loss.
        store.ask("DEL", self.key)
        store.ask("SADD", self.key, 0)
        store.close()
        lost = {number: when for number, when in self.acknowledged.items() if number not in there}
        length, began = self.gap
        return {
            "acknowledged": len(self.acknowledged),
            "lost": len(lost),
            "oldest": round(began - min(lost.values(), default=began), 2),
            "longest": round(length, 2),
            "errors": self.errors,
        }


def commit(key: str) -> None:
    """One number more."""
    store = Store("STORE_URL")
    try:
        store.ask("SADD", key, random.getrandbits(62))
    finally:
        store.close()


def look(variable: str, key: str) -> dict[str, Any]:
    """Who answers, and how many numbers it has."""
    store = Store(variable)
    try:
        info = str(store.ask("INFO", "replication"))
        return {"rows": store.ask("SCARD", key), "standby": "role:slave" in info}
    finally:
        store.close()
