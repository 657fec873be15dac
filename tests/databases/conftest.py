# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three data servers and one that runs a service which writes; each test leaves all of it as it found it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from stack.support import ROOT, Lab, Outcome, StackFile, longshore, until

SERVERS = ("app2", "app3", "app4")


@dataclass
class Ledger:
    """The service that commits numbered rows, asked from outside."""

    lab: Lab
    stack: StackFile

    def ask(self, path: str) -> dict[str, Any]:
        """The answer to a request; fails when there is none."""
        url = f"http://{self.lab.address('app1')}{path}"
        status, body = self.lab.get(url, "-H", "Host: ledger.example", "-m", "60")
        assert status == 200, f"{path}: {status} {body}"
        answer: dict[str, Any] = json.loads(body)
        return answer

    def members(self) -> dict[str, dict[str, Any]]:
        """What Patroni says of each member, by name, asked on the first server that answers."""
        for server in SERVERS:
            address = self.lab.described["hosts"][server]["private"]["v4"]
            done = self.lab.on(server, "curl", "-sk", "-m", "3", f"https://{address}:8008/cluster", check=False)
            if done.returncode == 0 and done.stdout.startswith("{"):
                return {member["name"]: member for member in json.loads(done.stdout)["members"]}
        return {}

    def primary(self) -> str:
        """The primary's server; empty when there is none."""
        found = [name for name, member in self.members().items() if member["role"] == "leader"]
        return found[0] if found else ""

    def whole(self) -> bool:
        """Whether all three servers serve: one primary, two that follow it, on one timeline."""
        members = self.members()
        states = sorted(member["state"] for member in members.values())
        return states == ["running", "streaming", "streaming"] and len({m["timeline"] for m in members.values()}) == 1

    def await_whole(self) -> None:
        """Wait for that."""
        until(self.whole, 120, f"all three serve: {self.members()}")


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Four servers and the client."""
    lab = Lab()
    lab.up(servers=4)
    lab.push(ROOT / "molecule/shared/repositories/ledger", "ledger")
    return lab


@pytest.fixture(scope="session")
def stack(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> StackFile:
    """The example ``inventories/databases.yml``."""
    return StackFile.of("databases", tmp_path_factory.mktemp("databases"), lab)


@pytest.fixture(scope="session")
def first_up(stack: StackFile) -> tuple[Outcome, Outcome]:
    """What ``plan`` predicted for blank servers, and what ``up`` then did."""
    predicted = longshore(stack, "plan", "--json")
    done = longshore(stack, "up", "--json")
    assert done.code == 0, done.end
    return predicted, done


@pytest.fixture(scope="session")
def running(lab: Lab, stack: StackFile, first_up: object) -> Ledger:
    """The stack, deployed."""
    return Ledger(lab, stack)


@pytest.fixture
def ledger(running: Ledger) -> Ledger:
    """The stack with all of its servers well."""
    running.await_whole()
    return running
