# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visitors notice nothing, and no run leaves anything half done: many times over, under load."""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import time
from typing import Any

import pytest
from stack.support import LONGSHORE, Lab, StackFile, longshore, until

from .conftest import Campaign

pytestmark = pytest.mark.soak
HOST = "shop.example"
WANTED = 6  # tasks of the web service


def edges(lab: Lab) -> list[str]:
    """The load balancers, in both families."""
    return [
        f"http://{address}/"
        for name in ("app1", "app2")
        for address in (lab.address(name), f"[{lab.address(name, 'v6')}]")
    ]


def healthy(lab: Lab, *servers: str) -> int:
    """How many healthy tasks of the web service run on these servers."""
    filters = ("-f", "label=com.docker.swarm.service.name=shop_web", "-f", "health=healthy")
    return sum(len(lab.on(server, "docker", "ps", "-q", *filters).stdout.split()) for server in servers)


def deploying(number: int) -> Any:
    """A change of the stack file that gives every task a new environment."""
    return lambda content: content["services"]["web"]["environment"].update(ROUND=f"n{number}")


def test_deploys_under_load(lab: Lab, shop: StackFile, campaign: Campaign) -> None:
    """One rolling deploy after the other."""
    rounds = campaign.rounds(short=1, long=30)
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
    assert report["failed"] == 0, report


def test_servers_lost_under_load(lab: Lab, shop: StackFile, campaign: Campaign) -> None:
    """A server without load balancer loses its power, and comes back, again and again."""
    rounds = campaign.rounds(short=1, long=10)
    recovered = []
    with lab.load(edges(lab), HOST, rate=200) as report:
        for _ in range(rounds):
            try:
                began = time.monotonic()
                lab.run("kill", "--name", lab.name, "app3")
                until(lambda: healthy(lab, "app1", "app2") == WANTED, 60, "all tasks run on the other servers")
                recovered.append(time.monotonic() - began)
            finally:
                lab.run("start", "--name", lab.name, "app3")
            until(lambda: lab.on("app3", "docker", "info", check=False).returncode == 0, 60, "app3 is back")
            done = longshore(shop, "up")
            assert done.code == 0, done.everything
    campaign.record(
        "soak-servers",
        {
            "servers_lost": rounds,
            "median_seconds_to_full_strength": round(statistics.median(recovered), 1),
            "longest": round(max(recovered), 1),
            "requests": report["total"],
            "failed": report["failed"],
        },
    )
    assert report["failed"] == 0, report


def test_runs_killed_anywhere(shop: StackFile, campaign: Campaign) -> None:
    """Whenever a run is killed, the same command finishes what it began, and a third one has nothing to do."""
    rounds = campaign.rounds(short=1, long=20)
    repairs = []
    for seed in range(rounds):
        with shop.changed(deploying(1000 + seed)):
            command = [str(LONGSHORE), "up", "-f", str(shop.path)]
            quiet = subprocess.DEVNULL
            process = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
            time.sleep(random.Random(seed).uniform(1, 15))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            done = longshore(shop, "up")
            assert done.code == 0, f"seed {seed}: {done.everything}"
            repairs.append(done.seconds)
            assert longshore(shop, "plan").code == 0, f"seed {seed}: changes are left"
    campaign.record(
        "soak-kills", {"runs_killed": rounds, "median_seconds_to_finish": round(statistics.median(repairs), 1)}
    )
