# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs that find the same servers outside of any Swarm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import swarm_forming
from ansible_collections.longshore.stack.plugins.module_utils.run import Run
from ansible_collections.longshore.stack.plugins.module_utils.swarm_plan import SwarmError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Clock:
    """A time that only waiting moves on."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Waiting(Run):
    """A run; ``meanwhile`` happens whenever it waits."""

    def __init__(self, name: str, clock: Clock, meanwhile: Callable[[], None] = lambda: None) -> None:
        super().__init__(name, "ann")
        self.clock, self.meanwhile, self.waited = clock, meanwhile, 0.0

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        self.waited += seconds
        self.meanwhile()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(swarm_forming, "time", clock)
    return clock


def test_second_run_waits_until_the_first_has_joined(clock: Clock, tmp_path: Path) -> None:
    mark = str(tmp_path / "longshore/forming")
    first = Waiting("r1", clock)
    swarm_forming.claim(first, mark)
    swarm_forming.claim(first, mark)
    swarm_forming.confirm(first, mark)
    second = Waiting("r2", clock, lambda: swarm_forming.release(first, mark))
    swarm_forming.claim(second, mark)
    assert second.waited == 0.5
    swarm_forming.release(first, mark)
    swarm_forming.confirm(second, mark)


def test_what_a_killed_run_left_is_waited_out(clock: Clock, tmp_path: Path) -> None:
    mark = str(tmp_path / "forming")
    swarm_forming.claim(Waiting("r1", clock), mark)
    second = Waiting("r2", clock)
    swarm_forming.claim(second, mark)
    assert swarm_forming.LIFE <= second.waited <= swarm_forming.LIFE + 1


def test_runs_that_wait_for_each_other_both_refuse(clock: Clock, tmp_path: Path) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    first, second = Waiting("r1", clock), Waiting("r2", clock)
    swarm_forming.claim(first, one)
    swarm_forming.claim(second, two)
    swarm_forming.claim(first, two)
    swarm_forming.claim(second, one)
    with pytest.raises(SwarmError, match="the run r2 of ann"):
        swarm_forming.confirm(first, one)
    with pytest.raises(SwarmError, match="the run r1 of ann"):
        swarm_forming.confirm(second, two)


def test_a_mark_that_has_ended_is_none(clock: Clock, tmp_path: Path) -> None:
    mark = str(tmp_path / "forming")
    run = Waiting("r1", clock)
    swarm_forming.claim(run, mark)
    run.wait(swarm_forming.LIFE)
    with pytest.raises(SwarmError, match="another run"):
        swarm_forming.confirm(run, mark)
