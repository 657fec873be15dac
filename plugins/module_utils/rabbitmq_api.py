# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a RabbitMQ answers, by the HTTPS of its management plugin. Private to the collection.

Passwords travel in the request's head, never on a command line. https://www.rabbitmq.com/docs/management#http-api
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
from urllib.parse import quote

from .host_change import HostError
from .rest import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Seconds. Who is well answers at once; what changes the cluster's metadata waits for the others.
PATIENCE, WRITING = 5.0, 30.0


class Management:
    """One server's, asked as ``user``; ``where`` is its address and port, ``authority`` the path of a certificate."""

    def __init__(self, where: tuple[str, int], authority: str, user: str, password: str) -> None:
        self._where = where
        self._authority = authority
        self._user = user
        self._login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._context: ssl.SSLContext | None = None

    def ask(self, method: str, path: str, body: Any = None, *, timeout: float = PATIENCE) -> tuple[int, Any]:
        """Status and JSON answer (None for what is no JSON).

        Raises ``HostError`` when nobody answers in time, or the password is not taken.
        """
        connection = None
        head = {"Authorization": f"Basic {self._login}", "Content-Type": "application/json"}
        try:
            if self._context is None:
                self._context = ssl.create_default_context(cafile=self._authority)
            connection = http.client.HTTPSConnection(*self._where, timeout=timeout, context=self._context)
            connection.request(method, f"/api/{path}", None if body is None else json.dumps(body), head)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise HostError(f"{place(*self._where)} does not answer: {error}") from error
        finally:
            if connection is not None:
                connection.close()
        if answer.status == 401:
            raise HostError(f"{place(*self._where)} does not take the password of its user {self._user}")
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, None

    def get(self, *parts: str) -> Any:
        """What there is at a path; None when there is nothing. Raises ``HostError`` for any other answer."""
        path = _path(parts)
        status, found = self.ask("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise HostError(f"{place(*self._where)}: {path} answers {status}: {_reason(found)}")
        return found

    def change(self, method: str, *parts: str, body: Any = None) -> None:
        """Make or delete what is at a path. Raises ``HostError`` when it is refused."""
        path = _path(parts)
        status, found = self.ask(method, path, body, timeout=WRITING)
        if status >= 300:
            raise HostError(f"{place(*self._where)}: {method} {path} answers {status}: {_reason(found)}")

    def good(self, check: str) -> bool:
        """Whether a health check passes, such as ``alarms``; not while nobody answers."""
        try:
            return self.ask("GET", f"health/checks/{check}")[0] == 200
        except HostError:
            return False


def _path(parts: tuple[str, ...]) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _reason(found: Any) -> str:
    return str(found.get("reason") or found.get("error") or "") if isinstance(found, dict) else ""


def is_hash_of(stored: str, password: str) -> bool:
    """Whether RabbitMQ has stored this password: base64 of four bytes of salt and SHA-256 of both."""
    try:
        raw = base64.b64decode(stored, validate=True)
    except ValueError:
        return False
    return raw[4:] == hashlib.sha256(raw[:4] + password.encode()).digest()


def tags_of(user: Mapping[str, Any]) -> list[str]:
    """A user's tags: by version a list, or a text with commas."""
    tags = user.get("tags") or []
    return sorted(tags.split(",") if isinstance(tags, str) else tags)
