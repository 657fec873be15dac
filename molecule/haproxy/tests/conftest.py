# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as the scenario's tests see it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from balancing import LAB, lab, wait_for


@pytest.fixture(scope="session")
def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab("status", "--name", LAB, "--json"))
    return found


@pytest.fixture(scope="session")
def addresses(described: dict[str, Any]) -> list[str]:
    public = described["hosts"]["app1"]["public"]
    return [public["v4"], f"[{public['v6']}]"]


@pytest.fixture(scope="session")
def client(described: dict[str, Any]) -> Callable[..., str]:
    """Run a command on the client."""

    def run(*words: str) -> str:
        container = described["hosts"]["client"]["container"]
        return subprocess.run(["docker", "exec", container, *words], capture_output=True, text=True, check=False).stdout

    return run


@pytest.fixture(scope="session")
def status(client: Callable[..., str], addresses: list[str]) -> Callable[..., str]:
    """The status with which a host's path is answered."""

    def ask(host: str, path: str = "/", *options: str) -> str:
        words = ["curl", "-s", "-m", "15", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {host}", *options]
        return client(*words, f"http://{addresses[0]}{path}")

    return ask


@pytest.fixture(scope="session", autouse=True)
def healthy(status: Callable[..., str]) -> None:
    wait_for(lambda: status("molecule.example") == "200")
