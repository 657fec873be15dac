# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cancelled run waits for no pull, however silent the engine is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import haproxy_converge as converge
from ansible_collections.longshore.stack.plugins.module_utils import run as runs
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_docker import pull
from ansible_collections.longshore.stack.plugins.module_utils.haproxy_model import HaproxyError
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """One whose registry doesn't answer; the run ``r1`` is cancelled meanwhile."""
    monkeypatch.setattr(runs, "CANCEL_MARKS", str(tmp_path))
    over = threading.Event()

    def stream(*_: Any, **__: Any) -> Iterator[dict[str, str]]:
        yield {"status": "Pulling"}
        (tmp_path / "r1").touch()
        over.wait(30)

    yield SimpleNamespace(stream=stream)
    over.set()


def test_a_pull_ends_with_its_run(engine: Any) -> None:
    with pytest.raises(Cancelled, match="cancelled by the operator"):
        pull(engine, "haproxy:3.0", {}, Run("r1"))


def test_nothing_is_touched_then(engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "made"
    change = SimpleNamespace(
        _engine=lambda: engine,
        now=SimpleNamespace(image=False),
        image="haproxy:3.0",
        directories=[(str(made), 0o750, 0, 0)],
    )
    monkeypatch.setattr(runs, "PROGRESS", "/proc/none")
    with pytest.raises(Cancelled):
        converge._Change.apply(change, Run("r1"), {})  # type: ignore[arg-type]
    assert not made.exists()


def test_the_engines_words_are_given() -> None:
    engine: Any = SimpleNamespace(stream=lambda *_, **__: iter([{"error": "manifest unknown"}]))
    with pytest.raises(HaproxyError, match="haproxy:9 can't be pulled: manifest unknown"):
        pull(engine, "haproxy:9", {}, Run())
