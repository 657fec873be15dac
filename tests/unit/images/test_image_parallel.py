# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several things at once."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.image_parallel import each
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run


class Cancelling(Run):
    """A run that is cancelled once ``begun`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def check(self) -> None:
        if self.begun.is_set():
            raise Cancelled("cancelled")


class Quiet(Run):
    """A run that nobody cancels, whatever the test's standard output is."""

    def check(self) -> None:
        return


def test_results_and_errors_by_item() -> None:
    def work(item: str) -> str:
        if item == "b":
            raise ValueError(item)
        return item * 2

    results, errors = each(["a", "b", "c"], work, Quiet(), 2)
    assert results == {"a": "aa", "c": "cc"}
    assert str(errors["b"]) == "b"


def test_no_more_at_once_than_allowed() -> None:
    lock, now, most = threading.Lock(), 0, 0
    pair = threading.Barrier(2)

    def work(_item: str) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        pair.wait(timeout=10)
        with lock:
            now -= 1

    each(["a", "b", "c", "d"], work, Quiet(), 2)
    assert most == 2


def test_the_first_error_ends_all_when_asked_for() -> None:
    never = threading.Event()

    def work(item: str) -> None:
        if item == "b":
            raise ValueError(item)
        never.wait(30)

    _results, errors = each(["a", "b"], work, Quiet(), 2, fail_fast=True)
    assert set(errors) == {"b"}
    never.set()


def test_a_cancelled_run_does_not_wait_for_its_work() -> None:
    run, never = Cancelling(), threading.Event()

    def work(_item: str) -> None:
        run.begun.set()
        never.wait(30)

    with pytest.raises(Cancelled):
        each(["a"], work, run, 1)
    never.set()
