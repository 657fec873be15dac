# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Campaigns: the same tests in a short form (in ``make test``) and a long one, which writes its figures down."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest
from stack.conftest import first_up, lab, shop, stack_file
from stack.support import ROOT

__all__ = ["campaign", "first_up", "lab", "shop", "stack_file"]

LONG = os.environ.get("LONGSHORE_SOAK") == "long"


class Campaign:
    """How long a campaign goes on, and where its figures go."""

    def rounds(self, *, short: int = 1, long: int) -> int:
        """How often to do what is tried."""
        return long if LONG else short

    def record(self, name: str, figures: dict[str, Any]) -> None:
        """Show the figures; the long form writes ``docs/figures/<name>.json``."""
        print(json.dumps({name: figures}))
        if LONG:
            directory = ROOT / "docs/figures"
            directory.mkdir(parents=True, exist_ok=True)
            document = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "cores": os.cpu_count(), **figures}
            (directory / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


@pytest.fixture
def campaign() -> Campaign:
    """The sizes of this run."""
    return Campaign()
