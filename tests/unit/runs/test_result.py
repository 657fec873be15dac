# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came out of a run in which servers were lost."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from longshore.runs import Result, Status
from longshore.runs.events import Event, Place, PlayStarted, TaskFinished, TaskStatus
from longshore.runs.result import Tally
from runs_bench import Bench

DEAD = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
PING = {"name": "Ping", "ansible.builtin.ping": {}}
ON_B = {**PING, "when": "inventory_hostname == 'b'"}
ONCE = {"name": "Once", "ansible.builtin.ping": {}, "run_once": True}
LOST = "the run ended early: a was lost while it did something for all servers; run it again"


def ended(task: str, host: str, status: TaskStatus = "ok", action: str = "longshore.stack.x", **data: Any) -> Event:
    """A task's end on a server."""
    place = Place(id=task, task=task, role="", play="Play", host=host)
    return TaskFinished(place=place, status=status, duration=0.1, action=action, data=data)


def missed(*servers: str) -> Event:
    """What the guard says."""
    return ended("Check", "localhost", action="longshore.stack.guard", unreachable_servers=list(servers))


def result(*events: Event, code: int = 0) -> Result:
    """What comes out of these events."""
    tally = Tally()
    for event in events:
        tally.add(event)
    return tally.result(run="r", check=False, cancelled=False, code=code, duration=1.0, log="")


def test_who_missed_the_guard_and_did_its_tasks_was_reached() -> None:
    found = result(missed("a", "b"), ended("Work", "a", "changed"), ended("Work", "b"))
    assert (found.status, found.unreachable) == (Status.DONE, ())


@pytest.mark.parametrize(
    "event",
    [
        ended("Work", "a", "skipped"),
        ended("Work", "a", "unreachable"),
        # Such a task needs no server.
        ended("Work", "a", action="ansible.builtin.set_fact"),
        ended("Work", "b"),
    ],
)
def test_who_missed_the_guard_and_did_nothing_was_not_reached(event: Event) -> None:
    found = result(missed("a"), ended("Work", "c"), event, code=4)
    assert (found.status, found.unreachable) == (Status.DEGRADED, ("a",))


def test_who_was_lost_after_its_tasks_is_named() -> None:
    found = result(missed("a"), ended("Work", "a"), ended("More", "a", "unreachable"), ended("More", "b"), code=4)
    assert (found.status, found.unreachable) == (Status.DEGRADED, ("a",))


def test_the_servers_that_ended_the_run_are_named_and_no_others() -> None:
    earlier = [ended("Reach", "d", "unreachable"), ended("Reach", "a"), ended("Reach", "c")]
    found = result(*earlier, ended("Once", "a", "unreachable"), code=2)
    assert (found.status, found.unreachable) == (Status.FAILED, ("a", "d"))
    assert [failure.message for failure in found.failures] == [LOST]
    found = result(*earlier, ended("W", "a", "unreachable"), ended("W", "c", "unreachable"), ended("W", "b"), code=2)
    assert found.failures[0].message == LOST.replace("a was", "a, c were").replace("it did", "they did")
    assert "without saying why" in result(missed("a"), ended("Work", "b"), code=2).failures[0].message


def test_a_server_that_is_lost_in_the_last_task_of_each_only_degrades() -> None:
    last = [ended("Work", "b"), ended("Last", "b", "skipped"), ended("Last", "a", "unreachable"), PlayStarted(play="P")]
    assert result(*last, code=4).status is Status.DEGRADED


def test_databases_are_gathered_by_name_and_server() -> None:
    def seen(host: str, **instances: dict[str, str]) -> Event:
        return ended("See", host, action="longshore.stack.database_info", instances=instances)

    primary, replica = {"role": "primary"}, {"role": "replica"}
    found = result(seen("a", main=primary, other=replica), seen("b", main=replica), seen("c"), ended("Work", "a"))
    assert found.databases == {"main": {"a": primary, "b": replica}, "other": {"a": replica}}
    assert result(ended("Work", "a", instances={"main": primary})).databases == {}


@pytest.mark.parametrize("options", [{}, {"max_fail_percentage": 0}])
def test_a_server_that_is_lost_while_it_works_for_all_ends_the_run(bench: Bench, options: dict[str, Any]) -> None:
    bench.hosts(a=DEAD, b={})
    playbook = bench.playbook(ON_B, ONCE, **options)
    plays = yaml.safe_load(playbook.read_text())
    plays.append({"name": "Never", "hosts": "all", "gather_facts": False, "tasks": [PING]})
    playbook.write_text(yaml.safe_dump(plays))
    found = bench.start(playbook).wait()
    # Ansible did nothing more anywhere.
    assert found.counters["b"].ok == 1
    assert (found.status, found.unreachable) == (Status.FAILED, ("a",))
    assert [failure.message for failure in found.failures] == [LOST]
