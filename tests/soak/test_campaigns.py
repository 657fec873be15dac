# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors notice nothing, and no run leaves anything half done: many times over, under load."""

from __future__ import annotations

import random
import statistics
import time
from typing import Any

import pytest
from stack.support import Lab, StackFile, longshore, nothing_lost
from stack.test_faults import Healed, kill, lose_and_heal, make_leader, start

from .conftest import LONG, Campaign

# The short form of each is a test of tests/stack.
pytestmark = [pytest.mark.soak, pytest.mark.skipif(not LONG, reason="long form only")]
HOST = "shop.example"


def edges(lab: Lab) -> list[str]:
    """The load balancers, in both families."""
    return [
        f"http://{address}/"
        for name in ("app1", "app2")
        for address in (lab.address(name), f"[{lab.address(name, 'v6')}]")
    ]


def deploying(number: int) -> Any:
    """A change of the stack file that gives every task a new environment."""
    return lambda content: content["services"]["web"]["environment"].update(ROUND=f"n{number}")


def test_deploys_under_load(lab: Lab, shop: StackFile, campaign: Campaign) -> None:
    """One rolling deploy after the other."""
    rounds = campaign.rounds(long=10)
    seconds = []
    with lab.load(edges(lab), HOST, rate=200, slow=0.02, new=0.3) as report:
        for number in range(rounds):
            with shop.changed(deploying(number)):
                done = longshore(shop, "deploy", "web")
            assert done.code == 0, done.everything
            seconds.append(done.seconds)
    campaign.record(
        "soak-deploys",
        {
            "deploys": rounds,
            "median_seconds": round(statistics.median(seconds), 1),
            "requests": report["total"],
            "failed": report["failed"],
            "p99_ms": report["latency_ms"]["p99"],
        },
    )
    nothing_lost(report)


def test_servers_lost_under_load(lab: Lab, shop: StackFile, campaign: Campaign) -> None:
    """A server loses its power, and comes back, again and again."""
    make_leader(lab, "app1")
    outcomes = [lose_and_heal(lab, shop, "app3") for _ in range(campaign.rounds(long=5))]
    campaign.record("soak-servers", lost_servers(outcomes))


def test_leaders_lost_under_load(lab: Lab, shop: StackFile, campaign: Campaign) -> None:
    """The same with the server that leads the Swarm and holds the registry and the builder."""
    outcomes = []
    for _ in range(campaign.rounds(long=5)):
        make_leader(lab, "app1")
        outcomes.append(lose_and_heal(lab, shop, "app1"))
    campaign.record("soak-leaders", lost_servers(outcomes))


def lost_servers(outcomes: list[Healed]) -> dict[str, Any]:
    """The figures of servers that were lost."""
    return {
        "servers_lost": len(outcomes),
        "median_seconds_to_full_strength": round(statistics.median(one.seconds for one in outcomes), 1),
        "longest": round(max(one.seconds for one in outcomes), 1),
        "requests": sum(one.report["total"] for one in outcomes),
        "failed": sum(one.report["failed"] for one in outcomes),
        # Of the load on the virtual address, which the lost server may have had.
        "virtual_address_seconds_lost": [round(one.virtual["failed"] / one.virtual["rate"], 1) for one in outcomes],
    }


def test_runs_killed_anywhere(shop: StackFile, campaign: Campaign) -> None:
    """Whenever a run is killed, the same command finishes what it began, and a third one has nothing to do."""
    rounds = campaign.rounds(long=10)
    repairs = []
    for seed in range(rounds):
        with shop.changed(deploying(1000 + seed)):
            process = start(shop, "up")
            time.sleep(random.Random(seed).uniform(1, 15))
            kill(process)
            done = longshore(shop, "up")
            assert done.code == 0, f"seed {seed}: {done.everything}"
            repairs.append(done.seconds)
            assert longshore(shop, "plan").code == 0, f"seed {seed}: changes are left"
    campaign.record(
        "soak-kills", {"runs_killed": rounds, "median_seconds_to_finish": round(statistics.median(repairs), 1)}
    )
