# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that judges a RabbitMQ: it publishes numbers to a queue, and remembers which were confirmed.

QUEUE_URL is where it is, QUEUE_AUTHORITY the file with the certificate of whom to trust. The queue is made without a
type: it is to be what the server makes of it.
"""

from __future__ import annotations

import os
import random
import ssl
import threading
import time
from typing import Any

import pika
from pika.exceptions import AMQPError

# What goes wrong on the way is one of these.
ERRORS = (AMQPError, OSError)
PATIENCE = 3.0  # seconds


class Broker:
    """One connection, whose publications are confirmed."""

    def __init__(self) -> None:
        parameters = pika.URLParameters(os.environ["QUEUE_URL"])
        trust = ssl.create_default_context(cafile=os.environ["QUEUE_AUTHORITY"])
        parameters.ssl_options = pika.SSLOptions(trust, parameters.host)
        parameters.socket_timeout = parameters.stack_timeout = PATIENCE
        parameters.blocked_connection_timeout = PATIENCE
        parameters.heartbeat = 5
        self.connection = pika.BlockingConnection(parameters)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def declare(self, name: str) -> int:
        """Have a queue; gives how many messages are in it."""
        return int(self.channel.queue_declare(name, durable=True).method.message_count)

    def publish(self, name: str, number: int) -> None:
        """Send one message; returns when it is confirmed."""
        kept = pika.BasicProperties(delivery_mode=2)
        self.channel.basic_publish("", name, str(number).encode(), kept, mandatory=True)

    def drained(self, name: str) -> set[int]:
        """All that is in a queue, taken out."""
        found: set[int] = set()
        left = self.declare(name)
        if left == 0:
            return found
        # One by one it would take as long as it took to publish them.
        for method, _head, body in self.channel.consume(name, auto_ack=True, inactivity_timeout=PATIENCE):
            if method is None:
                break
            found.add(int(body))
            left -= 1
            if left == 0:
                break
        return found

    def close(self) -> None:
        """Be done with it, whatever state it is in."""
        try:
            self.connection.close()
        except ERRORS:
            return


class BrokerWriter:
    """Publishes numbers until it is told to stop."""

    def __init__(self, name: str, pause: float) -> None:
        self.name = name
        self.pause = pause
        self.confirmed: list[int] = []
        self.longest = 0.0
        self.errors: dict[str, int] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._write, daemon=True)
        broker = Broker()
        broker.channel.queue_delete(name)
        broker.declare(name)
        broker.close()
        self.thread.start()

    def _write(self) -> None:
        broker: Broker | None = None
        number, last = 0, time.monotonic()
        while not self.over.is_set():
            number += 1
            try:
                broker = broker or Broker()
                broker.publish(self.name, number)
            except ERRORS as error:
                words = (str(error) or type(error).__name__).splitlines()[0]
                self.errors[words] = self.errors.get(words, 0) + 1
                if broker is not None:
                    broker.close()
                broker = None
                time.sleep(0.05)
                continue
            now = time.monotonic()
            self.longest = max(self.longest, now - last)
            last = now
            self.confirmed.append(number)
            time.sleep(self.pause)
        if broker is not None:
            broker.close()

    def report(self) -> dict[str, Any]:
        """Stop, and compare with what is there."""
        self.over.set()
        self.thread.join()
        broker = Broker()
        there = broker.drained(self.name)
        broker.close()
        return {
            "acknowledged": len(self.confirmed),
            "lost": len(set(self.confirmed) - there),
            "longest": round(self.longest, 2),
            "errors": self.errors,
        }


def commit(name: str) -> None:
    """One message more."""
    broker = Broker()
    try:
        broker.declare(name)
        broker.publish(name, random.getrandbits(62))
    finally:
        broker.close()


def look(name: str) -> dict[str, Any]:
    """How many messages a queue has."""
    broker = Broker()
    try:
        return {"rows": broker.declare(name)}
    finally:
        broker.close()
