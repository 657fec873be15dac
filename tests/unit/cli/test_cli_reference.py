# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference pages are those that the code makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from longshore.cli import reference

DOCS = Path(__file__).resolve().parents[3] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_page_is_current(name: str) -> None:
    made = reference.pages()[name].rstrip("\n") + "\n"
    assert (DOCS / name).read_text() == made, "run: python -m longshore.cli.reference docs/reference"


def test_every_event_and_command_is_there() -> None:
    pages = reference.pages()
    for word in ("up", "plan", "deploy", "logs", "exec", "run", "server drain", "destroy", "import", "lab"):
        assert f"### `longshore {word}" in pages["cli.md"]
    for word in ("task_finished", "cancelling", "run_finished", "Result", "Change"):
        assert word in pages["events.md"]
