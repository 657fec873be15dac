# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock as several runs see it, each on a manager of its own, in a time that the tests tell."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import lease
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run


class Time:
    """Steady clock and time of day of the server that acts just now."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.boot = "a"
        self.steady = {"a": 1000.0, "b": 5.0}
        self.ahead = {"a": 0.0, "b": 0.0}

    def monotonic(self) -> float:
        return self.steady[self.boot] + self.passed

    def time(self) -> float:
        return 1.7e9 + self.ahead[self.boot] + self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


class Store(Docker):
    """One config in a Swarm's store. ``fault`` is called before and after each write and may raise."""

    def __init__(self) -> None:
        super().__init__()
        self.config: dict[str, Any] | None = None
        self.index = 0
        self.reads = 0
        self.fault: Callable[[str], None] = lambda _when: None

    def clone(self, *_words: Any) -> Store:  # type: ignore[override]
        return self

    def get(self, path: str, **_query: Any) -> Any:
        self.reads += 1
        if path == "/configs":
            return [deepcopy(self.config)] if self.config else []
        return deepcopy(self._found(path))

    def post(self, path: str, body: Any = None, *_words: Any, **query: Any) -> Any:
        self.fault("before")
        if path.endswith("/create"):
            if self.config:
                raise DockerError(409, "rpc error: code = AlreadyExists desc = config shop.lock already exists")
            self.config = {"ID": f"id{self.index}"}
        elif self._found(path)["Version"]["Index"] != query["version"]:
            raise DockerError(500, "rpc error: code = Unknown desc = update out of sequence")
        self.index += 1
        self._found(path).update(Spec=deepcopy(body), Version={"Index": self.index})
        self.fault("after")

    def delete(self, path: str, **_query: Any) -> Any:
        self._found(path)
        self.config = None

    def _found(self, path: str) -> dict[str, Any]:
        if self.config is None or ("id" in path and self.config["ID"] not in path):
            raise DockerError(404, "config not found")
        return self.config


class Asked(Run):
    """A run that nobody cancels, whose waiting only moves the time on; ``each`` happens meanwhile."""

    def __init__(self, name: str, clock: Time, each: Callable[[], None] = lambda: None) -> None:
        super().__init__(name, "ann")
        self._clock, self._each = clock, each

    def check(self) -> None: ...

    def progress(self, line: str) -> None: ...

    def wait(self, seconds: float) -> None:
        self._clock.sleep(seconds)
        self._each()
        if self._clock.passed > 500:
            raise Cancelled("it waits for ever")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    told = Time()
    monkeypatch.setattr(lease, "time", told)
    monkeypatch.setattr(lease, "_boot", lambda: told.boot)
    # Renewed by hand: the thread would wait in real time.
    monkeypatch.setattr(lease.Lease, "_renew_until_stopped", lambda _lease: None)
    for name in ("strftime", "gmtime"):
        setattr(told, name, lambda *_words: "then")
    return told


def taken(store: Store, clock: Time, name: str, wait: float = 0.0) -> lease.Lease:
    made = lease.Lease(store, "shop", Asked(name, clock))
    made.take(wait)
    return made


def renew(held: lease.Lease) -> None:
    held._write(held._since, lease.TTL)


def test_given_back_is_taken_at_once(clock: Time) -> None:
    store = Store()
    taken(store, clock, "first").release()
    assert store.config is None
    second = taken(store, clock, "second")
    assert clock.passed == 0
    assert second.note == ""


def test_killed_run_is_taken_over_at_once_where_it_ran(clock: Time) -> None:
    store = Store()
    taken(store, clock, "killed")
    clock.sleep(lease.TTL + lease.MARGIN + 1)
    second = taken(store, clock, "second")
    assert clock.passed < lease.TTL + lease.MARGIN + 2
    assert second.note == "took over the lock of run killed (ann), which expired"


@pytest.mark.parametrize("ahead", [-86400.0, -600.0, 0.0, 70.0, 86400.0])
def test_killed_run_of_another_server_is_waited_out_whatever_the_clocks_say(clock: Time, ahead: float) -> None:
    store = Store()
    taken(store, clock, "killed")
    clock.boot, clock.ahead["b"] = "b", ahead
    taken(store, clock, "second")
    assert lease.TTL <= clock.passed <= lease.TTL + 2 * lease.MARGIN


@pytest.mark.parametrize("ahead", [-600.0, 0.0, 70.0])
def test_living_run_of_another_server_keeps_its_lock(clock: Time, ahead: float) -> None:
    store = Store()
    first = taken(store, clock, "first")
    clock.ahead["b"] = ahead

    def live() -> None:
        clock.boot = "a"
        if clock.passed % 5 == 0:
            renew(first)
        clock.boot = "b"

    clock.boot = "b"
    with pytest.raises(lease.Locked, match="run first"):
        lease.Lease(store, "shop", Asked("second", clock, live)).take(100)
    assert clock.passed >= 100
    clock.boot = "a"
    first.check()


def test_holder_stops_before_anyone_may_take_over(clock: Time) -> None:
    store = Store()
    first = taken(store, clock, "first")
    clock.sleep(lease.TTL + 0.1)
    with pytest.raises(lease.LeaseLost, match="in time"):
        first.check()


def test_what_was_taken_over_or_broken_is_found_before_the_next_write(clock: Time) -> None:
    store = Store()
    first = taken(store, clock, "first")
    first.check()
    store.config["Spec"]["Labels"]["longshore.lock.run"] = "second"  # type: ignore[index]
    clock.sleep(lease.FRESH + 0.1)
    with pytest.raises(lease.LeaseLost, match="taken over by run second"):
        first.check()
    store.config = None
    third = taken(store, clock, "third")
    store.config = None
    clock.sleep(lease.FRESH + 0.1)
    with pytest.raises(lease.LeaseLost, match="broken"):
        third.check()
    with pytest.raises(lease.LeaseLost, match="broken"):
        third.check()


def test_writes_in_a_row_read_the_lock_once(clock: Time) -> None:
    store = Store()
    first = taken(store, clock, "first")
    clock.sleep(lease.FRESH + 0.1)
    before = store.reads
    for _write in range(5):
        first.check()
    assert store.reads == before + 1


def test_renewal_that_was_carried_out_but_answered_with_an_error_is_ours(clock: Time) -> None:
    store = Store()
    first = taken(store, clock, "first")

    def lose_the_answer(when: str) -> None:
        if when == "after":
            raise DockerError(500, "rpc error: code = DeadlineExceeded desc = context deadline exceeded")

    store.fault = lose_the_answer
    with pytest.raises(DockerError, match="deadline"):
        renew(first)
    store.fault = lambda _when: None
    clock.sleep(5)
    renew(first)
    clock.sleep(lease.TTL - 1)
    first.check()


def test_leader_that_is_missing_for_a_while_is_waited_for(clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    left = [3]

    def no_leader(when: str) -> None:
        # An answer may be lost after the write too: what is found then is this run's own.
        if when == "after" and left[0]:
            left[0] -= 1
            raise DockerError(500, "rpc error: code = Unknown desc = The swarm does not have a leader")

    store.fault = no_leader
    monkeypatch.setattr("ansible_collections.longshore.stack.plugins.module_utils.swarm_state.time", clock)
    first = taken(store, clock, "first")
    first.check()
    first.release()
    assert store.config is None


def test_a_step_leaves_the_lock_to_the_run_that_has_it(clock: Time) -> None:
    store = Store()
    taken(store, clock, "first").leave()
    taken(store, clock, "first").release()
    assert lease.holder(store.config) is not None
