# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that breaks off in the middle of an answer, and managers without a leader."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import swarm_state
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError


class Engine:
    """Answers each connection with the next of ``answers``, and hangs up."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.answers: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(self.path)
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _address = self._socket.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(self.answers.pop(0))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "s")


def answer(status: str, body: bytes, length: int = 0) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {length or len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (answer("200 OK", b'{"ID": "half', 400), 0),
        (answer("200 OK", b"not JSON"), 0),
        (answer("500 Internal Server Error", b'{"mess', 400), 500),
    ],
    ids=["body", "json", "error"],
)
def test_answer_that_breaks_off_is_the_engines_error(engine: Engine, sent: bytes, status: int) -> None:
    engine.answers = [sent, answer("200 OK", b'{"ID": "x"}')]
    docker = Docker(engine.path)
    with pytest.raises(DockerError) as caught:
        docker.get("/configs/x")
    assert caught.value.status == status
    assert docker.get("/configs/x") == {"ID": "x"}


def test_manager_asks_again_while_there_is_no_leader(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm_state.time, "sleep", lambda _seconds: None)
    missing = answer("500 Internal Server Error", b'{"message": "rpc error: The swarm does not have a leader"}')
    info = answer("200 OK", b'{"Swarm": {"LocalNodeState": "active", "ControlAvailable": true}}')
    engine.answers = [missing, info, missing, missing, answer("200 OK", b"[]"), missing]
    manager = swarm_state.require_manager(Docker(engine.path))
    assert manager.clone().get("/nodes") == []
    with pytest.raises(DockerError):
        Docker(engine.path).get("/nodes")
