# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import etcd_membership, patroni
from peers_bench import Clock, Peers, certificates


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The servers' certificates, and their authority's."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return certificates(tmp_path_factory.mktemp("tls"), "own")


@pytest.fixture
def peers(files: Path) -> Iterator[Peers]:
    """Servers that end with the test."""
    made = Peers(files)
    yield made
    made.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of the code under test."""
    made = Clock()
    monkeypatch.setattr(patroni, "time", made)
    monkeypatch.setattr(etcd_membership, "time", made)
    return made
