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


class Silent:
    """An engine without logs and containers."""

    def clone(self, _timeout: float) -> Silent:
        return self

    def close(self) -> None: ...

    def raw(self, *_words: str, **_query: Any) -> bytes:
        return b""


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
    place = explain.Place(Silent(), "shop", [], [])  # type: ignore[arg-type]
    assert says in explain.explain(place, "web", Failure("failed", task), spec) + "\n"
