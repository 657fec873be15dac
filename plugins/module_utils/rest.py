# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON over HTTPS to the servers' own services: etcd, Patroni.

Private to the collection. Both sides show a certificate of the internal authority.
"""

from __future__ import annotations

import http.client
import json
import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


# What modules that use it are given; the fragment C(rest) documents it.
ARGUMENT_SPEC: dict[str, Any] = {
    "authority": {"type": "path", "required": True},
    "certificate": {"type": "path", "required": True},
    "key": {"type": "path", "required": True, "no_log": False},
}


class RestError(Exception):
    """No good answer: ``status`` is HTTP's, 0 when there was no answer at all."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Rest:
    """Whom to trust, and who we are: paths of the authority's certificate, and of our own certificate and key."""

    def __init__(self, authority: str, certificate: str, key: str) -> None:
        self._files = (authority, certificate, key)
        self._context: ssl.SSLContext | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Rest:
        """From a module's parameters that include ``ARGUMENT_SPEC``."""
        return cls(parameters["authority"], parameters["certificate"], parameters["key"])

    def ask(
        self, where: tuple[str, int], method: str, path: str, body: Any = None, *, timeout: float = 5.0
    ) -> tuple[int, Any]:
        """Status and JSON answer (None for what is no JSON) of the address and port ``where``.

        Raises ``RestError`` when nobody answers in time.
        """
        connection = http.client.HTTPSConnection(*where, timeout=timeout, context=self._trust())
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise RestError(f"{place(*where)} does not answer: {error}") from error
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, None

    def _trust(self) -> ssl.SSLContext:
        if self._context is None:
            authority, certificate, key = self._files
            try:
                self._context = ssl.create_default_context(cafile=authority)
                self._context.load_cert_chain(certificate, key)
            except OSError as error:
                raise RestError(f"the certificates of this server can't be used: {error}") from error
        return self._context


def place(address: str, port: int) -> str:
    """``address:port`` as URLs have it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
