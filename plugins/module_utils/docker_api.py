# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker Engine's HTTP API over its Unix socket, with the standard library alone.

Private to the collection. Paths and bodies are those of the Engine API reference; see docs/decisions/0002.
"""

from __future__ import annotations

import http.client
import json
import socket
from urllib.parse import quote, urlencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Self

SOCKET = "/var/run/docker.sock"
# The newest version whose fields this collection was tried with (Docker 26); an older engine answers in its own.
NEWEST_API = (1, 45)


class DockerError(Exception):
    """The engine refused a call, or did not answer.

    Attributes: ``status`` (HTTP status, 0 when there was no answer) and ``message`` (the engine's own words).
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Docker:
    """One engine. Not for use by several threads at once: each thread takes its own ``clone()``.

    ``api`` is the agreed version of its API.
    """

    api: tuple[int, ...] = NEWEST_API

    def __init__(self, path: str = SOCKET, timeout: float = 60.0, version: str = "") -> None:
        self._path = path
        self._timeout = timeout
        self._prefix = f"/v{version}" if version else ""
        self._connection: _UnixConnection | None = None

    @classmethod
    def connect(cls, path: str = SOCKET, timeout: float = 60.0) -> Docker | None:
        """The engine behind ``path``, its API version agreed; None when no engine answers there.

        ``timeout`` is in seconds and holds for each read of an answer.
        """
        docker = cls(path, timeout)
        try:
            response = docker._send("GET", "/_ping", None, {}, {})
            response.read()
        except DockerError:
            return None
        offered = tuple(int(part) for part in response.headers.get("Api-Version", "1.41").split("."))
        chosen = min(offered, NEWEST_API)
        docker._prefix = f"/v{chosen[0]}.{chosen[1]}"
        docker.api = chosen
        return docker

    def clone(self, timeout: float | None = None) -> Self:
        """The same engine over a connection of its own, for another thread or another ``timeout`` (seconds)."""
        return type(self).like(self, timeout)

    @classmethod
    def like(cls, other: Docker, timeout: float | None = None) -> Self:
        """The engine that ``other`` is, over a connection of its own, as an object of this class."""
        made = cls(other._path, timeout or other._timeout)
        made._prefix = other._prefix
        made.api = other.api
        return made

    def get(self, path: str, **query: Any) -> Any:
        """The decoded answer of GET ``path``. Query values that are lists or dicts are sent as JSON (``filters``)."""
        return self._json("GET", path, None, {}, query)

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **query: Any) -> Any:
        """The decoded answer of POST ``path``; ``body`` is sent as JSON. None for an empty answer."""
        return self._json("POST", path, body, headers or {}, query)

    def delete(self, path: str, **query: Any) -> Any:
        """The decoded answer of DELETE ``path``; None for an empty one."""
        return self._json("DELETE", path, None, {}, query)

    def raw(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **query: Any
    ) -> bytes:
        """The answer as it came (container logs, archives)."""
        return self._content(method, path, body, headers or {}, query)

    def stream(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Iterator[dict[str, Any]]:
        """The JSON objects of a streaming answer (image pulls, events), one by one as they come.

        The connection is the stream's own, so that other calls may go on meanwhile.
        """
        other = self.clone()
        response = other._send(method, path, body, headers or {}, query)
        try:
            for line in response:
                if line.strip():
                    yield json.loads(line)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _broken_off(method, path, error) from error
        finally:
            other.close()

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _json(self, method: str, path: str, body: Any, headers: Mapping[str, str], query: Mapping[str, Any]) -> Any:
        content = self._content(method, path, body, headers, query)
        try:
            return json.loads(content) if content.strip() else None
        except ValueError as error:
            raise _broken_off(method, path, error) from error

    def _content(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], query: Mapping[str, Any]
    ) -> bytes:
        try:
            return self._send(method, path, body, headers, query).read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _broken_off(method, path, error) from error

    def _send(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], query: Mapping[str, Any]
    ) -> http.client.HTTPResponse:
        url = self._prefix + quote(path, safe="/:@") + _query(query)
        content = None if body is None else json.dumps(body).encode()
        sent = dict(headers)
        if content is not None:
            sent["Content-Type"] = "application/json"
        fresh = self._connection is None
        if self._connection is None:
            self._connection = _UnixConnection(self._path, self._timeout)
        try:
            self._connection.request(method, url, content, sent)
            response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            # An idle connection that the engine has closed says nothing about the engine; a read may be asked again.
            if not fresh and method == "GET" and isinstance(error, (http.client.RemoteDisconnected, BrokenPipeError)):
                return self._send(method, path, body, headers, query)
            raise DockerError(0, f"no answer from the Docker engine at {self._path}: {error}") from error
        if response.status >= 400:
            try:
                text = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                raise DockerError(response.status, f"{response.reason} ({error})") from error
            try:
                message = json.loads(text)["message"]
            except (ValueError, KeyError, TypeError):
                message = text.decode(errors="replace").strip() or response.reason
            raise DockerError(response.status, message)
        return response


def _broken_off(method: str, path: str, error: Exception) -> DockerError:
    return DockerError(0, f"the Docker engine stopped answering {method} {path}: {error}")


def _query(query: Mapping[str, Any]) -> str:
    values = {}
    for name, value in query.items():
        if value is None:
            continue
        if isinstance(value, bool):
            values[name] = "true" if value else "false"
        elif isinstance(value, (dict, list)):
            values[name] = json.dumps(value)
        else:
            values[name] = str(value)
    return "?" + urlencode(values) if values else ""
