# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may take over, who may confirm commits, and what MariaDB is told; that it fails over is tried on real servers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
from ansible_collections.longshore.stack.plugins.module_utils import mariadb_group, mariadb_sql, settings_text
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.run import Run
from programs import program

SERVERS = ["db1", "db2", "db3"]
# The revision of the lost leader's record.
LOST = 70
promoter = program("roles/mariadb/files/promoter.py")
events = program("roles/mariadb/files/mariadb_events.py")


def leader(**more: Any) -> dict[str, Any]:
    """The record of db1, the primary of term 4, whose commits db2 and db3 confirm."""
    return {
        "name": "db1",
        "term": 4,
        "open": True,
        "base": 80,
        "synced": True,
        "acks": {"db2": "p2", "db3": "p3"},
        **more,
    }


def member(position: int, number: int = 2, **more: Any) -> dict[str, Any]:
    """The record of one that followed it, and reads nothing from it any more."""
    told = {"position": position, "stream": f"p{number}", "term": 4, "state": "frozen", "frozen": LOST, "acks": False}
    return {**told, **more}


def successor(lost: dict[str, Any], members: dict[str, Any], *, synchronous: bool = True, waited: float = 9.0) -> Any:
    return promoter.successor(lost, LOST, members, SERVERS, synchronous, waited)


def test_who_has_the_most_takes_over_and_of_equals_the_first() -> None:
    assert successor(leader(), {"db2": member(99), "db3": member(100, 3)}).name == "db3"
    assert successor(leader(), {"db2": member(100), "db3": member(100, 3)}).name == "db2"


def test_nobody_takes_over_before_all_who_may_have_confirmed_something_were_heard() -> None:
    assert "db3" in successor(leader(), {"db2": member(100)}).why
    assert "db3" in successor(leader(), {"db2": member(100), "db3": member(90, 3, frozen=60)}).why
    # It was restarted meanwhile, so it may have forgotten what it had read.
    assert "db3" in successor(leader(), {"db2": member(100), "db3": member(90, 3, stream="p4")}).why
    assert successor(leader(acks={"db2": "p2"}), {"db2": member(100)}).name == "db2"


def test_one_that_confirmed_nothing_may_take_over_when_it_has_as_much() -> None:
    assert successor(leader(acks={"db2": "p2"}), {"db2": member(100), "db3": member(101, 3)}).name == "db3"


@pytest.mark.parametrize("lost", [leader(synced=False), leader(synced=False, acks={}), leader(acks={})])
def test_while_nobody_is_sure_nobody_takes_over_but_the_former_one(lost: dict[str, Any]) -> None:
    members = {"db2": member(100), "db3": member(100, 3)}
    assert "db1" in successor(lost, members).why
    released = {**lost, "name": "", "former": "db1"}
    assert successor(released, {**members, "db1": member(100, 1, term=None)}).name == "db1"


def test_a_former_primary_that_is_there_decides_alone_who_has_the_most() -> None:
    """It has all that was confirmed, so nobody has to be waited for; of equals it stays."""
    released = leader(name="", former="db1")
    assert successor(released, {"db1": member(100, 1), "db2": member(100)}).name == "db1"
    assert successor(released, {"db1": member(100, 1), "db2": member(102)}).name == "db2"
    assert successor(released, {"db1": member(100, 1)}).name == "db1"


def test_a_primary_of_an_earlier_term_is_not_compared() -> None:
    """What it has more may be what the others never had."""
    assert successor(leader(acks={"db2": "p2"}), {"db2": member(100), "db3": member(500, 3, term=3)}).name == "db2"
    assert successor(leader(acks={"db2": "p2"}), {"db2": member(100), "db3": member(500, 3, term=None)}).name == "db2"


def test_one_that_can_apply_nothing_does_not_take_over() -> None:
    found = successor(leader(acks={"db3": "p3"}), {"db2": member(200, state="broken"), "db3": member(100, 3)})
    assert found.name == "db3"


def test_one_that_was_left_out_of_the_file_is_heard_and_not_chosen() -> None:
    lost = leader(acks={"db2": "p2", "db9": "p9"})
    assert successor(lost, {"db2": member(100), "db9": member(100, 9)}).name == "db2"
    assert "db9" in successor(lost, {"db2": member(100), "db9": member(101, 9)}).why
    assert "db9" in successor(lost, {"db2": member(100)}).why


def test_one_that_never_began_to_write_is_replaced_by_whoever_has_what_it_had() -> None:
    lost = leader(open=False, acks={}, synced=False, base=100)
    assert successor(lost, {"db2": member(100, term=3), "db3": member(99, 3, term=3)}).name == "db2"
    assert successor(lost, {"db2": member(99, term=3)}).name == ""
    assert successor(lost, {"db2": member(100, term=2)}).name == ""


def test_without_synchronous_commits_the_best_of_those_that_answer_takes_over() -> None:
    lost = leader(synced=False, acks={})
    waiting = successor(lost, {"db2": member(100)}, synchronous=False, waited=1.0)
    assert waiting.why == "waiting for the others"
    assert successor(lost, {"db2": member(100)}, synchronous=False, waited=2.5).name == "db2"
    both = {"db2": member(100), "db3": member(101, 3)}
    assert successor(lost, both, synchronous=False, waited=0.0).name == "db3"


def test_who_begins() -> None:
    assert promoter.first({}, SERVERS, "db1", True).name == "db1"
    assert "db1, db2, db3" in promoter.first({}, SERVERS, "db1", False).why
    told = {"db1": member(5, 1, frozen=0), "db2": member(9, frozen=0)}
    assert "db3" in promoter.first(told, SERVERS, "db1", True).why
    assert promoter.first({**told, "db3": member(9, 3, frozen=0)}, SERVERS, "db3", False).name == "db2"


def confirming(
    now: tuple[dict[str, str], bool, bool],
    members: dict[str, Any],
    gone: dict[str, int],
    position: int,
    since: int | None,
    *,
    strict: bool = False,
) -> tuple[dict[str, str], bool, bool]:
    """The next step, all as plain values."""
    found = promoter.confirming(promoter.Confirming(*now), members, gone, 4, position, since, strict)
    return found.acks, found.synced, found.waiting


def streaming(position: int, number: int = 2, **more: Any) -> dict[str, Any]:
    """The record of one that follows."""
    return member(position, number, **{"state": "streaming", "frozen": None, **more})


def test_commits_wait_once_somebody_confirms_and_are_sure_once_he_has_what_came_before() -> None:
    step = confirming(({}, False, False), {"db2": streaming(90)}, {}, 100, None)
    assert step == ({"db2": "p2"}, False, False)
    ready = {"db2": streaming(90, acks=True)}
    step = confirming(step, ready, {}, 100, None)
    assert step == ({"db2": "p2"}, False, True)
    assert confirming(step, ready, {}, 110, 105) == ({"db2": "p2"}, False, True)
    assert confirming(step, {"db2": streaming(105, acks=True)}, {}, 110, 105) == ({"db2": "p2"}, True, True)


def test_another_one_may_confirm_at_once() -> None:
    found = confirming(({"db2": "p2"}, True, True), {"db2": streaming(99), "db3": streaming(98, 3)}, {}, 100, 50)
    assert found == ({"db2": "p2", "db3": "p3"}, True, True)


@pytest.mark.parametrize(
    "other", [streaming(100, 3, term=3), streaming(100, 3, state="waiting"), streaming(100 - promoter.NEAR - 1, 3)]
)
def test_one_that_is_elsewhere_or_far_behind_may_not(other: dict[str, Any]) -> None:
    now = ({"db2": "p2"}, True, True)
    assert confirming(now, {"db2": streaming(100), "db3": other}, {}, 100, 50) == now


def test_who_is_gone_is_let_go_when_another_has_what_only_he_may_have_had() -> None:
    now = ({"db2": "p2", "db3": "p3"}, True, True)
    assert confirming(now, {"db2": streaming(99)}, {"db3": 100}, 120, 50) == now
    assert confirming(now, {"db2": streaming(100)}, {"db3": 100}, 120, 50) == ({"db2": "p2"}, True, True)


def test_the_last_one_goes() -> None:
    now = ({"db2": "p2"}, True, True)
    assert confirming(now, {}, {"db2": 100}, 100, 50) == ({}, False, False)
    # Nobody commits anything, and who was the last stays known.
    assert confirming(now, {}, {"db2": 100}, 100, 50, strict=True) == ({"db2": "p2"}, True, True)
    back = {"db2": streaming(100, 7)}
    assert confirming(now, back, {"db2": 100}, 100, 50, strict=True) == ({"db2": "p7"}, False, True)


def test_positions() -> None:
    assert [promoter.sequence(text) for text in ("", "0-7-12", "1-7-99,0-3-5", "1-2-3")] == [0, 12, 5, 0]
    values = {"current": "0-1-10", "written": "0-1-9", "Gtid_IO_Pos": "0-1-15", "Slave_SQL_Running": "Yes"}
    assert promoter.position_of(values) == 15
    # Nobody applies what was read: it is forgotten with the next start.
    assert promoter.position_of({**values, "Slave_SQL_Running": "No"}) == 10


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "default"),
        ("200", "200"),
        ("1.5", "1.5"),
        ("64M", "67108864"),
        ("2g", "2147483648"),
        ("ROW", "'ROW'"),
        ("it's", "'it''s'"),
    ],
)
def test_values_as_sql(value: str | None, expected: str) -> None:
    assert mariadb_group.literal(value) == expected


def test_a_configuration_is_read() -> None:
    text = "# Written by a role = not a setting\n[mariadbd]\nport = 3306\nsql_mode = A = B\n"
    assert settings_text.mariadb(text) == {"port": "3306", "sql_mode": "A = B"}


def test_users_have_what_they_need_and_no_password_travels() -> None:
    passwords = {name: f"{name}-secret" for name in ("owner", "reader", "replication", "monitor")}
    found = mariadb_sql.wanted("my_db", passwords)
    assert found["my_db@%"]["grants"] == ["GRANT USAGE ON *.*", "GRANT ALL PRIVILEGES ON `my\\_db`.*"]
    assert found["my_db_reader@%"]["grants"][1] == "GRANT SELECT, SHOW VIEW ON `my\\_db`.*"
    assert found["backup@localhost"]["login"] == ["unix_socket", "mysql", "0", ""]
    assert all(each["login"][2] == "1" for user, each in found.items() if user != "backup@localhost")
    assert "secret" not in str(found)
    # As MariaDB's PASSWORD('secret') gives it.
    assert mariadb_sql.hashed("secret") == "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"


def test_a_switchover_waits_for_whoever_was_started_a_moment_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may not have told yet that it follows; with nobody who does, the order fails after a while."""
    one = promoter.Promoter.__new__(promoter.Promoter)
    one.me, one._ordered = "db1", ("", 0.0)
    one.settings = SimpleNamespace(servers=dict.fromkeys(SERVERS, ""), ttl=7.0)
    told: list[tuple[str, Any]] = []
    one.etcd = SimpleNamespace(
        delete=lambda name: told.append((name, None)), put=lambda name, value: told.append((name, value))
    )
    now = [100.0]
    monkeypatch.setattr(promoter.time, "monotonic", lambda: now[0])
    lead = promoter.Record(leader(), 9, 100.0)
    starting = {"member/db2": promoter.Record(member(80, state="waiting"), 8, 100.0)}
    order = {"id": "1", "order": "switchover", "to": "db2", "at": promoter.time.time()}
    one.obey(lead, order, starting)
    assert told == []
    following = {"member/db2": promoter.Record(member(80, state="streaming"), 10, 100.0)}
    assert one.follower(lead, "db2", following) == one.follower(lead, "", following) == "db2"
    assert not one.follower(lead, "db3", following)
    now[0] += promoter.FOLLOWING
    one.obey(lead, order, starting)
    assert told == [("order", None), ("result", {"id": "1", "error": "db2 does not follow"})]


class FakeLocal(mariadb_sql.Local):
    """An instance that has one user."""

    def __init__(self, login: list[str]) -> None:
        super().__init__("none")
        self.login = login
        self.done: list[str] = []

    def sql(self, text: str) -> list[list[str]]:
        if "global_priv" in text:
            return [["main@%", *self.login]]
        if text == "show databases":
            return [["main"], ["mysql"]]
        if text.startswith("show grants"):
            return [
                ["GRANT USAGE ON *.* TO `main`@`%` IDENTIFIED BY PASSWORD '*1' REQUIRE SSL"],
                ["GRANT ALL PRIVILEGES ON `main`.* TO `main`@`%`"],
            ]
        self.done.append(text)
        return []


def test_an_owner_that_takes_turns_has_two_users_meanwhile() -> None:
    passwords = dict.fromkeys(("reader", "replication", "monitor"), "secret")

    def owners(credential: str) -> dict[str, str]:
        found = mariadb_sql.wanted("main", {**passwords, "owner": credential})
        return {user: each["login"][1] for user, each in found.items() if user in ("main@%", "main_2@%")}

    new, old = mariadb_sql.hashed("new"), mariadb_sql.hashed("old")
    assert owners("old") == {"main@%": old}
    assert owners("1:new:old") == {"main@%": old, "main_2@%": new}
    assert owners("1:new") == {"main_2@%": new}
    there = FakeLocal(mariadb_sql.login("old"))
    (change,) = [
        each for each in mariadb_sql.plan(there, "main", {**passwords, "owner": "1:new"}) if "any more" in each.what
    ]
    change.apply()
    assert there.done == ["alter user `main`@`%` account lock; kill hard connection user `main`"]
    found = mariadb_sql.wanted("main", {**passwords, "owner": "old", "reader": "1:new:old"})
    assert found["main_reader_2@%"]["login"][1] == new
    assert found["main_reader_2@%"]["grants"] == found["main_reader@%"]["grants"]
    there.login[3] = "locked"
    made = [each.what for each in mariadb_sql.plan(there, "main", {**passwords, "owner": "1:new"})]
    assert "main may not log in any more" not in made


def test_what_runs_inside_takes_turns_and_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = dict.fromkeys(("owner", "reader", "replication", "monitor"), "secret")
    found = mariadb_sql.wanted("main", {**passwords, "replication": "1:new:secret:moved", "monitor": "1:new"})
    assert found["replication_2@%"] == {**found["replication@%"], "login": mariadb_sql.login("new")}
    assert ("monitor@%" in found, found["monitor_2@%"]["grants"][0]) == (
        False,
        "GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.*",
    )
    rows = [[["10.0.0.2:4711"]], [["10.0.0.2:4711"]], []]
    done: list[str] = []
    local = SimpleNamespace(sql=lambda text: rows.pop(0) if text.startswith("select") else done.append(text))
    monkeypatch.setattr("time.sleep", lambda _seconds: done.append("waits"))
    mariadb_sql._end(cast("Any", local), "replication", 45.0)
    assert done[:2] == ["waits", "waits"]
    assert done[2] == "alter user `replication`@`%` account lock; kill hard connection user `replication`"
    rows = [[["10.0.0.2:4711"]]] * 9
    now = iter((0.0, 20.0, 46.0))
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    with pytest.raises(HostError, match=r"replication is in use after 45 s by 10\.0\.0\.2, so its password is good"):
        mariadb_sql._end(cast("Any", local), "replication", 45.0)
    assert "lock" not in "".join(done[3:])


def test_only_what_is_missing_is_made() -> None:
    passwords = dict.fromkeys(("owner", "reader", "replication", "monitor"), "secret")
    there = FakeLocal(mariadb_sql.login("secret"))
    made = [change.what for change in mariadb_sql.plan(there, "main", passwords)]
    assert "user main" not in made
    assert "rights of main" not in made
    assert {"user main_reader", "rights of main_reader", "user backup"} <= set(made)
    other = FakeLocal(mariadb_sql.login("former"))
    (change,) = [each for each in mariadb_sql.plan(other, "main", passwords) if each.what.endswith(" main")]
    change.apply()
    assert change.what == "login of main"
    assert "require ssl" in other.done[0]


@pytest.mark.parametrize(
    ("told", "role"),
    [
        ({}, ""),
        ({"role": "primary", "state": "running", "writes": True}, "primary"),
        # Its users have to be made also when it is asked in the very moment in which it becomes primary.
        ({"role": "replica", "state": "frozen", "writes": True}, "primary"),
        ({"role": "replica", "state": "streaming", "writes": False}, "replica"),
        ({"role": "replica", "state": "waiting", "writes": False}, ""),
    ],
)
def test_who_takes_writes_is_primary(told: dict[str, Any], role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = {"name": "shop-books", "servers": [{"name": "db1", "address": "192.0.2.1"}], "health_port": 8306}
    member = mariadb_group.Member(instance, "db1", cast("Any", None), Run())
    monkeypatch.setattr(member, "state", lambda _name="": told)
    assert member.role() == role


class TestEvents:
    """Those that run go on after another server has become primary."""

    RUNNING: ClassVar = [{"place": "shop", "name": "nightly"}]
    RESTING: ClassVar = [
        {"place": "shop", "name": "nightly", "definer": "sh@op@%"},
        {"place": "shop", "name": "off`", "definer": "shop@%"},
    ]

    def query(self, text: str) -> list[dict[str, str]]:
        self.asked.append(text)
        return self.RUNNING if text == events.RUNNING else self.RESTING if text == events.RESTING else []

    def look(self, one: Any, term: int, known: Any) -> Any:
        return one.look(term, known, self.query, lambda names: events.awake(names, self.query, lambda: self.may))

    def setup_method(self) -> None:
        self.asked: list[str] = []
        self.may = True

    def test_a_primary_tells_which_run(self) -> None:
        one = events.Events()
        assert self.look(one, 1, None) is None
        told = self.look(one, 1, None)
        assert told == {"running": ["shop.nightly"]}
        assert self.look(one, 1, told) is None
        assert self.look(one, 1, {"running": ["shop.old"]}) == told

    def test_a_new_one_wakes_these_before_it_tells_anything(self) -> None:
        one, known = events.Events(), {"running": ["shop.nightly", "shop.gone"]}
        assert self.look(one, 2, known) is None
        one._waking.join()
        assert [text for text in self.asked if text != events.RESTING] == [
            "alter definer = `sh@op`@`%` event `shop`.`nightly` enable"
        ]
        assert self.look(one, 2, known) == {"running": ["shop.nightly"]}

    def test_who_may_not_write_any_more_wakes_none(self) -> None:
        self.may = False
        assert not events.awake(["shop.nightly"], self.query, lambda: self.may)
        assert self.asked == [events.RESTING]

    def test_what_failed_is_tried_again(self) -> None:
        one, known, tried = events.Events(), {"running": ["shop.nightly"]}, []

        def wake(names: Any) -> bool:
            tried.append(names)
            return len(tried) > 1

        for _round in range(2):
            assert one.look(3, known, self.query, wake) is None
            one._waking.join()
        assert one.look(3, known, self.query, wake) is None
        assert tried == [["shop.nightly"]] * 2


@pytest.mark.parametrize(
    ("wanted", "now", "said"),
    [
        (True, "OFF", ["set global event_scheduler = ON"]),
        (True, "ON", []),
        (False, "ON", ["set global event_scheduler = OFF"]),
        (False, "OFF", []),
    ],
)
def test_who_takes_writes_runs_events_where_that_is_wanted(*, wanted: bool, now: str, said: list[str]) -> None:
    one, asked = promoter.Instance(SimpleNamespace(events=wanted)), []
    one.sql = lambda text, _timeout=0.0: asked.append(text) or []
    one.schedule({"scheduler": now})
    assert asked == said
    asked.clear()
    one.stop_writes(1.0)
    # Before the sessions end, those of events too.
    assert (asked[0] == "set global event_scheduler = off") is wanted
    assert "set global read_only = 1" in asked
