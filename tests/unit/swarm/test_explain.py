# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed task is said to have died of."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import explain
from ansible_collections.longshore.stack.plugins.module_utils.watch import Failure

HTTP = {"Test": ["CMD", "/.longshore/busybox", "sh", "/.longshore/check", "http", "localhost", "80", "/missing"]}


class Engine:
    """An engine whose containers have printed ``log`` and whose health checks ``said`` something."""

    def __init__(self, log: str = "", said: str = "") -> None:
        self._log, self._said = log, said

    def clone(self, _timeout: float) -> Engine:
        return self

    def close(self) -> None: ...

    def get(self, _path: str) -> Any:
        return {"State": {"Health": {"Log": [{"ExitCode": 1, "Output": self._said}]}}}

    def raw(self, *_words: str, **_query: Any) -> bytes:
        content = self._log.encode()
        return b"\1\0\0\0" + len(content).to_bytes(4, "big") + content


@pytest.mark.parametrize(
    ("code", "check", "says"),
    [
        (0, HTTP, "since its health check failed: http port 80 /missing"),
        (0, None, "it ended with exit code 0\n"),
        (3, HTTP, "it ended with exit code 3\n"),
        (137, None, "it was killed (exit code 137)"),
    ],
)
def test_ends(code: int, check: Any, says: str) -> None:
    task = {
        "ID": "t1",
        "NodeID": "n1",
        "Status": {"State": "complete" if code == 0 else "failed", "ContainerStatus": {"ExitCode": code}},
    }
    spec = {"TaskTemplate": {"ContainerSpec": {"Image": "web:1", "Healthcheck": check}}}
    place = explain.Place(Engine(), "shop", [], [])  # type: ignore[arg-type]
    assert says in explain.explain(place, "web", Failure("failed", task), spec) + "\n"


SECRET = "begin" + "0123456789" * 60 + "end"


def explained(engine: Engine, secrets: list[str], mounted: bool = True) -> str:
    status = {"State": "failed", "ContainerStatus": {"ExitCode": 1, "ContainerID": "c1"}}
    spec = {"TaskTemplate": {"ContainerSpec": {"Image": "web:1", "Secrets": [{"SecretName": "s"}] if mounted else []}}}
    task = {"ID": "t1", "NodeID": "n1", "Status": status}
    place = explain.Place(engine, "shop", [], secrets)  # type: ignore[arg-type]
    return explain.explain(place, "web", Failure("failed", task), spec)


@pytest.mark.parametrize("before", [0, explain.LOG_WIDTH - 8])
def test_secrets_that_are_longer_than_a_line_or_cross_its_end_are_masked(before: int) -> None:
    printed = "x" * before + SECRET + " is refused"
    text = explained(Engine(log=printed, said=printed), [SECRET])
    assert "begin" not in text
    assert "0123456789" not in text
    assert text.count("****") == 2


def test_what_a_container_printed_is_left_out_when_its_secrets_are_unknown() -> None:
    engine = Engine(log="password=hunter2", said="hunter2 is refused")
    text = explained(engine, [])
    assert "hunter2" not in text
    assert "longshore logs" in text
    assert "password=hunter2" in explained(engine, [], mounted=False)


class Slow(Engine):
    """An engine that gives a log only when it is asked again."""

    asked = 0

    def raw(self, *words: str, **query: Any) -> bytes:
        self.asked += 1
        return super().raw(*words, **query) if self.asked > 1 else b""


def test_a_log_that_is_not_there_at_once_is_asked_for_again() -> None:
    assert "the disk is on fire" in explained(Slow(log="the disk is on fire"), [], mounted=False)
