# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab, one deployed stack for all tests of this folder; each test leaves both as it found them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import support


@pytest.fixture(scope="session")
def lab() -> support.Lab:
    """Three servers and the client."""
    lab = support.Lab()
    lab.up()
    lab.push(support.ROOT / "molecule/shared/repositories/shop", "shop")
    return lab


@pytest.fixture(scope="session")
def stack_file(lab: support.Lab, tmp_path_factory: pytest.TempPathFactory) -> support.StackFile:
    """The example ``inventories/lab.yml``, with a shop that takes requests for 3 s after it was told to stop.

    As it is, the shop refuses them at once, and a request that comes too late would hardly be seen. Windows are shorter
    than people would have them, since most of these tests roll something out.
    """
    stack = support.StackFile.of("lab", tmp_path_factory.mktemp("stack"), lab)
    stack.content["services"]["web"]["environment"]["GRACE"] = "3"
    for service in stack.content["services"].values():
        service["update"]["monitor"] = "2s"
    stack.content["load_balancer"] = {"virtual_ip": lab.virtual()}
    stack.write()
    return stack


@pytest.fixture(scope="session")
def first_up(stack_file: support.StackFile) -> tuple[support.Outcome, support.Outcome]:
    """What ``plan`` predicted for the servers as they were, and what ``up`` then did."""
    predicted = support.longshore(stack_file, "plan", "--json")
    done = support.longshore(stack_file, "up", "--json")
    assert done.code == 0, done.end
    return predicted, done


@pytest.fixture(scope="session")
def shop(stack_file: support.StackFile, first_up: object) -> support.StackFile:
    """The stack file of the running stack."""
    return stack_file


@pytest.fixture
def repository(lab: support.Lab, tmp_path: Path) -> Iterator[Path]:
    """A working copy of the shop's repository, to commit another version of; a version that builds comes back."""
    source = support.ROOT / "molecule/shared/repositories/shop"
    copy = tmp_path / "shop"
    copy.mkdir()
    for file in source.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    good = (copy / "Dockerfile").read_text()
    yield copy
    if (copy / "Dockerfile").read_text() != good:
        (copy / "Dockerfile").write_text(good)
        lab.push(copy, "shop")
