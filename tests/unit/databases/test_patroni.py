# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of Patroni, what its answers mean, and how long it is waited for; against servers that answer so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import patroni as module
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.patroni import Group, differences, serves
from ansible_collections.longshore.stack.plugins.module_utils.postgresql_group import _moved
from ansible_collections.longshore.stack.plugins.module_utils.rest import RestError
from ansible_collections.longshore.stack.plugins.modules.postgresql_order import refuse, refuse_behind
from peers_bench import ADDRESSES, Clock, Peers, certificates, rest

SERVERS = dict(zip(("db1", "db2", "db3"), ADDRESSES, strict=True))
PRIMARY = {"state": "running", "role": "primary"}
REPLICA = {"state": "running", "role": "replica", "replication_state": "streaming"}


class Patroni:
    """All members of a group: ``says`` is what each says of itself, ``answers`` what they answer to orders."""

    def __init__(self, peers: Peers, clock: Clock, *names: str) -> None:
        self.says: dict[str, Any] = {"db1": PRIMARY, "db2": REPLICA, "db3": REPLICA}
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        for name in names or SERVERS:
            peers.serve(SERVERS[name], lambda method, path, body, name=name: self._answer(name, method, path, body))
        self.group = Group(rest(peers.files), SERVERS, peers.port, clock)

    def _answer(self, name: str, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/patroni":
            return 200, self.says[name]
        if method != "GET":
            self.asked.append((name, f"{method} {path}", body))
        if path == "/cluster" and path not in self.answers:
            return 200, {"members": [{"name": each} | self._listed(said) for each, said in self.says.items()]}
        return self.answers.get(path, (200, "ok"))

    def _listed(self, said: dict[str, Any]) -> dict[str, Any]:
        """As ``GET /cluster`` has it, in other words than ``GET /patroni``."""
        role = "leader" if said.get("role") == "primary" else said.get("role")
        return {"role": role, "state": said.get("replication_state") or said.get("state"), "lag": 0, "timeline": 3}


@pytest.fixture
def patroni(peers: Peers, clock: Clock) -> Patroni:
    """Three members that are well; ``db1`` is primary."""
    return Patroni(peers, clock)


@pytest.mark.parametrize(
    ("wanted", "live", "expected"),
    [
        ({"ttl": 20, "a": {"b": "1"}}, {"ttl": 20, "a": {"b": "1"}, "more": {"c": 1}}, {}),
        ({"max_connections": "200"}, {"max_connections": 200}, {}),
        ({"ttl": 20, "loop": 5}, {"ttl": 30, "loop": 5}, {"ttl": 20}),
        ({"strict": False}, {}, {"strict": False}),
        ({"strict": True}, {"strict": False}, {"strict": True}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 1, "x": 9}}}, {"a": {"b": {"d": 2}}}),
        ({"a": {"b": 1}}, {"a": None}, {"a": {"b": 1}}),
    ],
)
def test_only_what_differs_is_sent(wanted: dict[str, Any], live: dict[str, Any], expected: dict[str, Any]) -> None:
    assert differences(wanted, live) == expected


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        (PRIMARY, True),
        ({**PRIMARY, "role": "master"}, True),
        ({**PRIMARY, "state": "starting"}, False),
        (REPLICA, True),
        ({**REPLICA, "replication_state": "in archive recovery"}, False),
        ({"state": "running", "role": "replica"}, False),
        ({**REPLICA, "state": "stopped"}, False),
        ({}, False),
    ],
)
def test_a_replica_serves_when_it_follows(member: dict[str, Any], expected: bool) -> None:
    assert serves(member) is expected


def test_members_that_do_not_answer_are_passed_over(peers: Peers, clock: Clock) -> None:
    patroni = Patroni(peers, clock, "db2", "db3")
    assert patroni.group.of("db1") == {}
    assert patroni.group.of("db2") == REPLICA
    assert set(patroni.group.cluster()) == set(SERVERS)
    assert patroni.group.primary() == "db1"
    with pytest.raises(RestError, match=r"127\.0\.0\.1:\d+ does not answer"):
        patroni.group.config("db1")


def test_a_server_that_another_authority_vouches_for_is_not_believed(
    peers: Peers, clock: Clock, tmp_path: Path
) -> None:
    other = certificates(tmp_path, "other")
    peers.serve(SERVERS["db1"], lambda *_words: (200, PRIMARY), other)
    trusting = Group(rest(other), SERVERS, peers.port, clock)
    assert trusting.of("db1") == PRIMARY
    assert Group(rest(peers.files), SERVERS, peers.port, clock).of("db1") == {}


def test_the_primary_is_a_leader_that_runs(patroni: Patroni) -> None:
    assert patroni.group.primary() == "db1"
    patroni.says["db1"] = {**PRIMARY, "state": "starting"}
    assert patroni.group.primary() == ""
    patroni.says |= {"db1": REPLICA, "db3": PRIMARY}
    assert patroni.group.primary() == "db3"
    patroni.answers["/cluster"] = (503, {"members": [{"name": "db1", "role": "leader", "state": "running"}]})
    assert patroni.group.primary() == ""
    patroni.answers["/cluster"] = (200, "<html>")
    assert patroni.group.cluster() == {}


def test_the_configuration_is_read_and_changed(patroni: Patroni) -> None:
    patroni.answers["/config"] = (200, {"ttl": 30})
    assert patroni.group.config("db1") == {"ttl": 30}
    patroni.group.configure("db2", {"ttl": 20})
    assert patroni.asked == [("db2", "PATCH /config", {"ttl": 20})]
    patroni.answers["/config"] = (409, {})
    for call in (lambda: patroni.group.config("db1"), lambda: patroni.group.configure("db1", {})):
        with pytest.raises(RestError, match="HTTP 409") as raised:
            call()
        assert raised.value.status == 409


@pytest.mark.parametrize("status", [200, 503])
def test_a_restart_waits_for_the_member(patroni: Patroni, clock: Clock, status: int) -> None:
    """503: what was pending is pending no more, so the member needs none."""
    patroni.answers["/restart"] = (status, "said")
    patroni.says["db2"] = {**REPLICA, "state": "starting"}
    clock.events.append((7.0, lambda: patroni.says.update(db2=REPLICA)))
    patroni.group.restart("db2")
    assert patroni.asked == [("db2", "POST /restart", {"restart_pending": True})]
    assert clock.now == 7.0
    patroni.answers["/restart"] = (200, "")
    patroni.group.restart("db2", pending=False)
    assert patroni.asked[-1] == ("db2", "POST /restart", {})
    patroni.answers["/restart"] = (503, "")
    with pytest.raises(HostError, match="HTTP 503"):
        patroni.group.restart("db2", pending=False)
    patroni.answers["/restart"] = (500, "")
    with pytest.raises(HostError, match="db2 could not restart PostgreSQL: HTTP 500"):
        patroni.group.restart("db2")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({}, 180),
        ({"state": "stopped", "role": "replica"}, 180),
        ({"state": "running", "role": "replica"}, 180),
        ({"state": "creating replica", "role": "replica"}, 3600),
        ({"state": "starting", "role": "replica"}, 3600),
    ],
)
def test_a_member_is_waited_for_longer_while_it_copies(
    patroni: Patroni, clock: Clock, said: dict[str, Any], seconds: int
) -> None:
    patroni.says["db2"] = said
    # Each look at a member takes a moment of its own; so here half an hour is one wait.
    clock.wait = lambda _seconds: setattr(clock, "now", clock.now + 60)  # type: ignore[method-assign]
    state = said.get("state", "no answer")
    with pytest.raises(HostError, match=f"PostgreSQL on db2 is not there after {seconds} s: {state}"):
        patroni.group.await_member("db2", 180, 3600)
    assert clock.now == seconds
    assert clock.told == [f"db2: {state}"]


def test_how_a_member_comes_is_told_once_for_each_state(patroni: Patroni, clock: Clock) -> None:
    patroni.says["db2"] = {"state": "creating replica", "role": "replica"}
    clock.events = [
        (3.0, lambda: patroni.says.update(db2={"state": "starting", "role": "replica"})),
        (5.0, lambda: patroni.says.update(db2=REPLICA)),
    ]
    patroni.group.await_member("db2", 1, 60)
    assert clock.told == ["db2: creating replica", "db2: starting"]
    assert clock.now == 5.0


@pytest.mark.parametrize("candidate", ["", "db2"])
def test_handing_over_ends_when_the_new_primary_serves(patroni: Patroni, clock: Clock, candidate: str) -> None:
    # Others have heard of it before it serves.
    known = {"members": [{"name": "db2", "role": "leader", "state": "running"}]}
    patroni.says["db2"] = {**PRIMARY, "state": "starting"}
    clock.events = [
        (2.0, lambda: patroni.answers.update({"/cluster": (200, known)})),
        (4.0, lambda: patroni.says.update(db2=PRIMARY)),
    ]
    assert patroni.group.hand_over("db1", candidate) == "db2"
    body = {"leader": "db1", "candidate": "db2"} if candidate else {"leader": "db1"}
    assert patroni.asked == [("db1", "POST /switchover", body)]
    assert clock.now == pytest.approx(4.0)


def test_without_a_primary_the_server_itself_is_told(patroni: Patroni, clock: Clock) -> None:
    patroni.says["db1"] = {"state": "stopped"}
    clock.events = [(1.0, lambda: patroni.says.update(db3=PRIMARY))]
    assert patroni.group.hand_over("", "db3") == "db3"
    assert patroni.asked == [("db3", "POST /failover", {"candidate": "db3"})]


def test_handing_over_that_does_not_happen_fails(
    patroni: Patroni, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HANDING_OVER", 10.0)
    with pytest.raises(HostError, match="no other server became primary within 10 s"):
        patroni.group.hand_over("db1", "db2")
    assert clock.now == pytest.approx(10, abs=0.5)
    patroni.answers["/switchover"] = (412, "no good candidates")
    with pytest.raises(HostError, match="no other server became primary: HTTP 412"):
        patroni.group.hand_over("db1", "db2")


def test_a_copy_is_awaited_from_its_beginning_to_its_end(patroni: Patroni, clock: Clock) -> None:
    clock.events = [
        (1.0, lambda: patroni.says.update(db2={"state": "creating replica", "role": "replica"})),
        (20.0, lambda: patroni.says.update(db2=REPLICA)),
    ]
    patroni.group.resync("db2", 3600)
    assert patroni.asked == [("db2", "POST /reinitialize", {"force": True})]
    assert clock.now >= 20
    patroni.answers["/reinitialize"] = (503, "")
    with pytest.raises(HostError, match="db2 does not begin to copy: HTTP 503"):
        patroni.group.resync("db2", 3600)


@pytest.mark.parametrize(
    ("order", "server", "primary", "words"),
    [
        ("switchover", "db2", "", "longshore db promote"),
        ("promote", "db2", "db1", "longshore db switchover"),
        ("resync", "db1", "db1", "its data are what the others copy"),
        ("resync", "db2", "", "no primary whose data"),
    ],
)
def test_what_would_lose_data_is_refused(order: str, server: str, primary: str, words: str) -> None:
    with pytest.raises(HostError, match=words):
        refuse("shop-main", order, server, primary)
    for good in (
        ("switchover", "", "db1"),
        ("promote", "db2", ""),
        ("promote", "db2", "db2"),
        ("resync", "db2", "db1"),
    ):
        refuse("shop-main", *good)


def test_who_may_lack_commits_is_no_choice_and_who_is_one_is_named() -> None:
    members = {"db1": {"role": "leader"}, "db2": {"role": "sync_standby"}, "db3": {"role": "replica"}}
    with pytest.raises(HostError, match=r"db3 may lack what is committed in main: .*switchover main --to db2"):
        refuse_behind("main", "db3", members)
    refuse_behind("main", "db2", members)
    asynchronous = {**members, "db2": {"role": "replica"}}
    refuse_behind("main", "db3", asynchronous)


class Moved:
    """Stands for the place of an instance's data, which are to be moved."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def due(self, _directory: str) -> bool:
        """Whether they are to be."""
        return True

    def move_in_words(self, directory: str, _servers: int) -> str:
        """Among the changes."""
        return f"move to {directory}"

    def move(self, directory: str, ready: Any, _start: Any) -> None:
        """What is called in which order."""
        self.done.append("copy")
        ready()
        self.done.append(f"switch to {directory}")


def moved(patroni: Patroni, name: str, check: bool = False) -> tuple[Moved, Any]:
    """A move of one member's data."""
    place = Moved()
    wanted = {"name": "shop-main", "member": name, "patience": 1.0, "deadline": 1.0}
    return place, lambda: _moved(patroni.group, wanted, place, "/mnt/fast", check)  # type: ignore[arg-type]


def test_a_replica_moves_while_the_others_serve(patroni: Patroni) -> None:
    place, move = moved(patroni, "db2", check=True)
    assert move() == (["move to /mnt/fast"], "replica", [])
    assert place.done == []
    place, move = moved(patroni, "db2")
    assert move() == (["move to /mnt/fast"], "replica", [])
    assert place.done == ["copy", "switch to /mnt/fast"]
    assert patroni.asked == []


def test_nothing_moves_while_another_one_is_away(patroni: Patroni) -> None:
    patroni.says["db3"] = {**REPLICA, "state": "stopped"}
    place, move = moved(patroni, "db2")
    with pytest.raises(HostError, match="db3 does not serve, so its data are not moved here"):
        move()
    assert place.done == []


def test_a_primary_hands_over_before_it_stops_and_stays_where_it_is_if_nobody_takes_over(patroni: Patroni) -> None:
    patroni.answers["/switchover"] = (412, "no good candidates")
    place, move = moved(patroni, "db1")
    with pytest.raises(HostError, match="no other server became primary"):
        move()
    assert place.done == ["copy"]
    assert patroni.asked == [("db1", "POST /switchover", {"leader": "db1"})]
