# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a service counts as up, and when as failed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.explain import demultiplexed
from ansible_collections.longshore.stack.plugins.module_utils.watch import Watch, spare_tasks

NEW = {"ContainerSpec": {"Image": "web:2"}}
OLD = {"ContainerSpec": {"Image": "web:1"}}


def task(number: int, state: str, spec: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "ID": f"t{number}",
        "NodeID": "n1",
        "Slot": more.get("slot", number),
        "Spec": {**(spec or NEW), "Runtime": "container"},
        "DesiredState": more.get("wanted", "running"),
        "UpdatedAt": "",
        "Status": {"State": state, "Err": more.get("error", "")},
    }


def watch(**changes: Any) -> Watch:
    values: dict[str, Any] = {
        "name": "web",
        "template": NEW,
        "wanted": 2,
        "monitor": 5.0,
        "deadline": 60.0,
        "began": 0.0,
    }
    return Watch(**{**values, **changes})


def test_done_after_the_window_and_not_before() -> None:
    one = watch()
    up = [task(1, "running"), task(2, "running")]
    one.look(1.0, [task(1, "running"), task(2, "starting")], {})
    assert not one.settled
    one.look(2.0, up, {})
    assert one.settled
    assert not one.done
    one.look(6.9, up, {})
    assert not one.done
    one.look(7.0, up, {})
    assert one.done


def test_old_tasks_must_be_gone() -> None:
    one = watch(monitor=0.0)
    one.look(1.0, [task(1, "running"), task(2, "running"), task(3, "running", OLD)], {})
    assert not one.done


def test_crash_within_the_window_fails_an_update() -> None:
    one = watch()
    one.look(1.0, [task(1, "running"), task(2, "running")], {})
    one.look(5.0, [task(1, "failed", wanted="shutdown"), task(2, "running")], {})
    assert one.failure is not None
    assert one.failure.kind == "failed"


def test_exit_zero_is_a_crash_for_what_should_stay_up() -> None:
    one = watch()
    one.look(1.0, [task(1, "complete", wanted="shutdown")], {})
    assert one.failure is not None


def test_one_shot_service_is_up_when_it_has_ended_well() -> None:
    template = {**NEW, "RestartPolicy": {"Condition": "on-failure"}}
    one = watch(template=template, wanted=1, monitor=0.0)
    one.look(1.0, [task(1, "complete", template, wanted="shutdown")], {})
    assert one.done


def test_new_service_may_crash_twice() -> None:
    one = watch(tolerant=True)
    crashed: list[dict[str, Any]] = []
    for number in (1, 2):
        crashed.append(task(number, "failed", wanted="shutdown", slot=1))
        one.look(float(number), crashed, {})
        assert one.failure is None
    one.look(3.0, [*crashed, task(3, "failed", wanted="shutdown", slot=1)], {})
    assert one.failure is not None


def test_missing_image_is_final_even_for_a_new_service() -> None:
    one = watch(tolerant=True)
    one.look(1.0, [task(1, "rejected", error="No such image: web:2")], {})
    assert one.failure is not None


def test_earlier_failures_do_not_count() -> None:
    before = [task(1, "failed", wanted="shutdown")]
    one = watch(monitor=0.0, seen=spare_tasks(before))
    one.look(1.0, [*before, task(2, "running"), task(3, "running")], {})
    assert one.done


def test_task_that_fits_nowhere_gets_a_moment() -> None:
    stuck = [task(1, "pending", error="no suitable node (insufficient resources on 3 nodes)")]
    one = watch()
    one.look(1.0, stuck, {})
    one.look(10.9, stuck, {})
    assert one.failure is None
    one.look(11.0, stuck, {})
    assert one.failure is not None
    assert one.failure.kind == "no_place"


def test_an_old_task_that_ends_holds_its_room_no_longer_than_its_grace() -> None:
    old = {**OLD, "ContainerSpec": {**OLD["ContainerSpec"], "StopGracePeriod": 30_000_000_000}}
    both = [task(1, "running", old, wanted="shutdown"), task(2, "pending", error="no suitable node")]
    one = watch(wanted=1, deadline=300.0)
    for now in (1.0, 20.0, 36.0, 37.0, 46.0):
        one.look(now, both, {})
        assert one.failure is None, now
    one.look(47.1, both, {})
    assert one.failure is not None
    assert one.failure.kind == "no_place"


def test_deadline() -> None:
    one = watch(deadline=30.0)
    one.look(30.1, [task(1, "starting")], {})
    assert one.failure is not None
    assert one.failure.kind == "deadline"


def test_gate_opens_after_the_first_batch_stood_the_window_and_then_it_is_quick() -> None:
    one = watch(gated=True)
    first = [task(1, "running"), task(2, "running", OLD)]
    one.look(1.0, first, {})
    one.look(5.9, first, {})
    assert not one.gate_open
    one.look(6.0, first, {})
    assert one.gate_open
    both = [task(1, "running"), task(3, "running")]
    one.look(8.0, both, {})
    assert not one.done
    one.look(9.0, both, {})
    assert one.done


def test_stopping_waits_for_the_end_and_forgives_it() -> None:
    one = watch(wanted=0)
    one.look(1.0, [task(1, "running", wanted="remove")], {})
    assert not one.done
    one.look(2.0, [task(1, "failed", wanted="remove")], {})
    assert one.done


def test_words_say_where() -> None:
    one = watch()
    one.look(1.0, [task(1, "running"), task(2, "starting"), task(3, "running", OLD)], {"n1": "app1"})
    assert one.words == "web: 1 of 2 up on app1, 1 old"


@pytest.mark.parametrize("cut", [0, 3])
def test_log_frames(cut: int) -> None:
    frames = b"\x01\0\0\0\0\0\0\x03abc\x02\0\0\0\0\0\0\x02de" + b"\x01\0\0\0\0"[:cut]
    assert demultiplexed(frames) == b"abcde"


@pytest.mark.parametrize(("spare", "kind"), [(True, None), (False, "no_place")])
def test_room_that_spare_tasks_take_up_comes_back(spare: bool, kind: str | None) -> None:
    one = watch()
    tasks = [
        {**task(1, "running"), "Slot": 1},
        {**task(2, "running"), "Slot": 1 if spare else 3},
        {**task(3, "running", OLD), "Slot": 2},
        {**task(4, "pending", error="no suitable node"), "Slot": 2},
    ]
    for now in (1.0, 12.0):
        one.look(now, tasks, {}, away=True)
    assert (one.failure.kind if one.failure else None) == kind
    assert one.crowded == spare
    assert not one.settled


def test_two_tasks_in_one_slot_are_one_of_those_wanted() -> None:
    one = watch(wanted=3)
    tasks = [task(1, "running"), task(2, "running", slot=1), task(3, "running", slot=2), task(4, "starting", slot=3)]
    one.look(1.0, tasks, {})
    assert not one.settled
    assert one.words == "web: 2 of 3 up on ?"


def test_what_is_done_once_counts_on_and_failures_do_not() -> None:
    once = {**NEW, "RestartPolicy": {"Condition": "none"}}
    ended = [task(1, "complete", spec=once), task(2, "failed", spec=once), task(3, "complete")]
    assert spare_tasks(ended, once) == {"t2", "t3"}
    assert spare_tasks(ended) == {"t1", "t2", "t3"}


def test_tasks_too_many_have_to_go() -> None:
    one = watch(monitor=0.0)
    one.look(1.0, [task(1, "running"), task(2, "running"), task(3, "running")], {})
    assert not one.done
    one.look(2.0, [task(1, "running"), task(2, "running"), task(3, "running", wanted="remove")], {})
    assert one.done
