# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Primaries go, again and again, while clients write as fast as they can; what was acknowledged stays."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest
from databases import conftest
from databases.conftest import Ledger
from databases.test_faults import Fault, crash, cut_off, kill_agents, lose, switch

from ..conftest import LONG, Campaign

# The short form of each is a test of tests/databases.
pytestmark = [pytest.mark.soak, pytest.mark.skipif(not LONG, reason="long form only")]
ROUNDS = 10
FAULTS: dict[str, tuple[int, Callable[[Ledger], Fault]]] = {
    "switchover": (5, switch),
    "lost": (ROUNDS, lose),
    "cut": (ROUNDS, lambda ledger: cut_off(ledger, "input", "output")),
    "crash": (ROUNDS, crash),
    "agents": (ROUNDS, kill_agents),
    "half-cut": (ROUNDS, lambda ledger: cut_off(ledger, "input")),
}


@pytest.fixture(autouse=True)
def at_full_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pauses between two commits."""
    monkeypatch.setattr(conftest, "PAUSE", 0)


@pytest.mark.parametrize("kind", FAULTS)
def test_primaries_go(ledger: Ledger, campaign: Campaign, kind: str) -> None:
    rounds, fault = FAULTS[kind]
    found = []
    for _ in range(rounds):
        found.append(fault(ledger))
        ledger.await_whole()
    stores = [each.cache for each in found if each.cache is not None]
    figures = {"postgresql": summary([each.main for each in found])}
    if stores:
        figures["redis"] = summary(stores)
        figures["mariadb"] = summary([each.books for each in found if each.books is not None])
    campaign.record(f"soak-databases-{kind}", figures)


def summary(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """What became of the writes: how many were lost, and for how many seconds none was acknowledged."""
    gaps = [report["longest"] for report in reports]
    return {
        "faults": len(reports),
        "acknowledged": sum(report["acknowledged"] for report in reports),
        "lost": sum(report["lost"] for report in reports),
        "median_seconds_without_writes": round(statistics.median(gaps), 1),
        "longest_seconds_without_writes": round(max(gaps), 1),
        "seconds_without_writes": gaps,
    }
