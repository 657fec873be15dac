# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A memcached that is changed, and who is left out of the file ends."""

from __future__ import annotations

import pytest
from stack.support import until

from ..test_memcached import INSTANCE, ask, knocks
from .conftest import First, Second


def test_who_is_left_out_ends_and_the_other_goes_on(first: First) -> None:
    ledger = first.ledger
    before, after = first.memcached
    assert before[0] == after[0], "it was restarted"
    assert not knocks(ledger, "git", "app2"), "somebody who was let in meanwhile still is"
    assert ledger.lab.on("app3", "pgrep", "-x", "memcached", check=False).stdout == ""
    assert ledger.lab.on("app3", "systemctl", "is-enabled", INSTANCE, check=False).stdout.strip() != "enabled"
    until(lambda: ledger.ask("/sessions?name=one&count=5")["found"] == {"sessions:11211": 5}, 30, "all on one")


@pytest.mark.long
def test_a_change_restarts_it(second: Second) -> None:
    before, after = second.memcached
    assert before[0] != after[0]
    assert "STAT item_size_max 2097152" in ask(second.ledger, "app1", "app2", "stats settings")
