# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server is enough: ``inventories/single.yml`` on a lab of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import support
from .support import Lab, StackFile, longshore, until

DATA = "/var/lib/longshore/solo/volumes/data"


@pytest.fixture(scope="module")
def alone() -> Iterator[Lab]:
    """One blank server."""
    lab = Lab(name="test-single")
    try:
        lab.up(servers=1)
        lab.push(support.ROOT / "molecule/shared/repositories/shop", "shop")
        yield lab
    finally:
        lab.run("down", "--name", lab.name)


@pytest.mark.long
def test_one_server_has_every_part(alone: Lab, tmp_path: Path) -> None:
    stack = StackFile.of("single", tmp_path, alone)
    done = longshore(stack, "up")
    assert done.code == 0, done.end
    status, body = alone.get(f"http://{alone.address('app1')}/", "-H", "Host: solo.example")
    assert (status, "The shop is open" in body) == (200, True), body
    assert alone.on("app1", "stat", "-c", "%u:%g", DATA).stdout.strip() == "1000:1000"
    assert longshore(stack, "plan").code == 0

    # The whole server goes down and comes back: everything runs again by itself, with its data.
    alone.on("app1", "touch", f"{DATA}/kept")
    alone.run("kill", "--name", alone.name, "app1")
    alone.run("start", "--name", alone.name, "app1")

    def serves() -> bool:
        return alone.get(f"http://{alone.address('app1')}/", "-H", "Host: solo.example")[0] == 200

    until(serves, 240, "the page is served again")
    assert alone.on("app1", "ls", DATA).stdout.split() == ["kept"]
    assert longshore(stack, "plan").code == 0
