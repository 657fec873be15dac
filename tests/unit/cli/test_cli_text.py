# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps, summaries, plans and tables: what an operator reads."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

from longshore.cli import config_text, plan_text, tables
from longshore.cli.steps import Steps, hosts, outcome, seconds
from longshore.cli.summary import failures, kept, state, summary
from longshore.cli.views import JsonView, PlainView
from longshore.runs import (
    Change,
    Failure,
    FieldChange,
    Line,
    Place,
    PlayStarted,
    Result,
    RunFinished,
    ServerChange,
    Status,
    TaskFinished,
    TaskStarted,
)


def place(task: str, host: str) -> Place:
    return Place(id=task, task=task, role="server", play="Play", host=host)


def finished(task: str, host: str, status: Any, time: float = 2.0, **more: Any) -> TaskFinished:
    return TaskFinished(place=place(task, host), status=status, duration=1.0, time=time, **more)


def definition() -> Any:
    web = SimpleNamespace(normalized=lambda: {"routes": [{"host": "shop.example", "path": None, "port": 3000}]})
    return SimpleNamespace(name="shop", environment="staging", services={"web": web})


def result(**fields: Any) -> Result:
    return Result(**{"run": "r1", "status": Status.DONE, "duration": 12.3, **fields})


def test_a_step_closes_when_the_next_begins_and_counts_its_servers() -> None:
    steps = Steps()
    for host in ("a", "b"):
        assert list(steps.add(TaskStarted(place=place("One", host), time=1.0))) == []
    assert list(steps.add(finished("One", "a", "ok"))) == []
    assert steps.current is not None
    assert list(steps.current.running) == ["b"]
    assert list(steps.add(finished("One", "b", "changed", 4.0))) == []
    (closed,) = steps.add(TaskStarted(place=place("Two", "a"), time=5.0))
    assert (closed.title, closed.duration, outcome(closed)) == ("server: One", 3.0, "changed")
    (last,) = [*steps.add(finished("Two", "a", "failed")), *steps.add(PlayStarted(play="Next"))]
    assert outcome(last) == "failed"


def test_a_step_that_all_servers_skip_is_not_told() -> None:
    steps = Steps()
    steps.add(TaskStarted(place=place("One", "a"), time=1.0))
    steps.add(finished("One", "a", "skipped"))
    assert list(steps.add(RunFinished(result=result()))) == []


def test_plain_view_writes_a_line_per_step_and_failures_at_once() -> None:
    stream = io.StringIO()
    with PlainView(stream) as view:
        view.show(TaskStarted(place=place("Prepare", "a"), time=1.0))
        view.show(Line(text="[a] step 3 of 9"))
        view.show(finished("Prepare", "a", "failed", message="the disk is full"))
        view.show(RunFinished(result=result()))
    assert stream.getvalue().splitlines() == [
        "[a] step 3 of 9",
        "failed: a: the disk is full",
        "x server: Prepare  a  1.0 s  failed: a",
    ]


def test_json_view_ends_with_the_result() -> None:
    stream = io.StringIO()
    with JsonView(stream) as view:
        view.show(finished("Prepare", "a", "ok"))
        view.show(RunFinished(result=result(data={"stack_info": {"lock": None}})))
    first, last = map(json.loads, stream.getvalue().splitlines())
    assert (first["type"], first["place"]["host"]) == ("task_finished", "a")
    assert (last["type"], last["status"], last["exit_code"]) == ("run_finished", "done", 0)
    assert last["data"]["stack_info"] == {"lock": None}


def test_a_plan_shows_fields_and_the_same_change_on_many_servers_once() -> None:
    package = Change(text="packages installed: chrony")
    web = Change(
        text="update service web",
        kind="service",
        name="web",
        action="update",
        fields=(
            FieldChange(path="image", before="web:1", after="web:2"),
            FieldChange(path="environment.NEW", before=None, after="x"),
            FieldChange(path="environment.SECRET", before="****", after="**** (changed)"),
        ),
    )
    changes = (
        ServerChange(host="app1", role="server", task="Prepare", change=package),
        ServerChange(host="app2", role="server", task="Prepare", change=package),
        ServerChange(host="app1", role="services", task="Converge", change=web),
    )
    assert plan_text.plan(result(check=True, changes=changes)).splitlines() == [
        "server: Prepare",
        "  ~ packages installed: chrony  [app1 app2]",
        "",
        "services: Converge",
        "  ~ service web  [app1]",
        "      image               web:1 → web:2",
        "      environment.NEW     (absent) → x",
        "      environment.SECRET  **** → **** (changed)",
        "",
        "2 changes. `longshore up` makes them.",
    ]
    assert plan_text.plan(result(check=True)) == "No changes."


def test_a_removal_says_what_data_stays_and_where() -> None:
    registry, pages = "/var/lib/longshore/cluster/registry", "/var/lib/longshore/shop/volumes"
    left = result(kept={"app1": (registry,), "app3": (pages, registry)})
    assert kept(left).splitlines() == ["Data stays:", f"  {registry}  app1 app3", f"  {pages}  app3"]
    assert kept(result()) == ""


def test_exit_code_two_is_for_a_check_with_changes_alone() -> None:
    change = ServerChange(host="a", role="", task="", change=Change(text="x"))
    assert result(check=True, changes=(change,)).exit_code == 2
    assert result(check=True).exit_code == 0
    assert result(changes=(change,)).exit_code == 0
    assert result(check=True, changes=(change,), status=Status.FAILED).exit_code == 1
    assert result(check=True, changes=(change,), status=Status.DEGRADED).exit_code == 4


SERVICES = {
    "web": {
        "image": "registry.longshore.internal:5000/shop/web@sha256:0123456789abcdef0123",
        "wanted": 3,
        "running": 3,
        "per_server": {"app1": 2, "app2": 1},
    }
}


def test_a_summary_says_what_runs_where_and_how_it_is_reached() -> None:
    told = summary(result(data={"stack_services": {"services": SERVICES}}), definition())
    assert told.splitlines()[0] == "shop (staging): Done in 12 s, nothing changed"
    assert "web      3/3      shop/web@0123456789ab  app1 x2  app2" in told
    assert "shop.example/ → web:3000" in told


def test_a_run_that_waited_for_the_lock_says_so() -> None:
    note = "took over the lock of run r0 (ann), which expired"
    told = summary(result(data={"stack_services": {"services": SERVICES, "lock_note": note}}), definition())
    assert f"lock: {note}" in told.splitlines()
    assert "lock:" not in summary(result(data={"stack_services": {"lock_note": ""}}), definition())


def test_a_failure_is_one_screen_with_where_why_and_what_to_do() -> None:
    long = "\n".join(f"line {number}" for number in range(200)) + "\ncheck the image's name"
    same = [Failure(host=f"app{number}", role="server", task="Prepare", message="no space") for number in range(40)]
    told = summary(
        result(
            status=Status.FAILED,
            log="/state/r1",
            failures=(*same, Failure(host="app1", role="services", task="Converge", message=long, cure="repair it")),
        ),
        definition(),
    )
    assert len(told.splitlines()) < 50
    assert told.startswith("shop (staging): Failed in 12 s")
    assert "app0 app1 app2 app3 app4 app5 … and 34 more  server: Prepare" in told
    for text in ("no space", "line 0", "check the image's name", "what to do: repair it", "log: /state/r1"):
        assert text in told


def test_a_locked_stack_is_told_with_its_holder() -> None:
    told = summary(result(status=Status.LOCKED, locked_by="ann@laptop (run r0)"), definition())
    assert "Locked by another run" in told
    assert "ann@laptop (run r0)" in told


def test_many_failures_are_cut_to_a_screen() -> None:
    told = failures([Failure(host="a", role="", task=f"t{number}", message="m") for number in range(12)])
    assert "… and 7 other failures" in told


def test_status_shows_services_servers_release_and_lock() -> None:
    info = {
        "services": SERVICES,
        "nodes": [{"server": "app1", "state": "ready", "availability": "active", "role": "manager", "leader": True}],
        "releases": [{"number": 7, "current": True, "time": "2026-01-31T14:25:01Z", "owner": "ann@laptop"}],
        "lock": {"owner": "bob@desk", "run": "r9"},
    }
    told = state(result(data={"stack_info": info}), definition())
    for text in (
        "shop (staging)  Release 7, 2026-01-31 14:25:01 UTC, by ann@laptop",
        "app1    ready",
        "locked by bob@desk (run r9)",
    ):
        assert text in told


def test_tables_of_tasks_leave_out_what_has_ended() -> None:
    running = {"service": "web", "slot": 1, "server": "app1", "state": "running", "wanted": "running", "since": "2026"}
    over = {**running, "slot": 2, "state": "failed", "wanted": "shutdown", "error": "exit code 1"}
    assert "web.2" not in tables.tasks([running, over])
    assert "exit code 1" in tables.tasks([running, over], ended=True)


def test_databases_show_each_server_of_the_file_the_unreached_too() -> None:
    well = {
        "timeline": 3,
        "size": 12_345_678,
        "free": 4.5e9,
        "connections": 7,
        "connections_limit": 200,
        "version": "17.5",
    }
    behind = {"role": "replica", "state": "streaming", "synchronous": True, "lag": 2_500, "pending_restart": True}
    known = {
        "main": {
            "db1": {"role": "primary", "state": "running", "lag": 0, **well},
            "db2": {**behind, **well},
            "db3": {"role": "replica", "state": "starting", "lag": "unknown"},
            "db9": {"role": "replica", "state": "streaming"},
        }
    }
    told = tables.databases(known, {"main": ["db1", "db2", "db3", "db4"], "other": ["db1"]})
    assert [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in told.splitlines()] == [
        ["DATABASE", "SERVER", "ROLE", "STATE", "LAG", "TIMELINE", "SIZE", "FREE", "CONNECTIONS", "VERSION"],
        ["main", "db1", "primary", "running", "3", "12.3 MB", "4.5 GB", "7/200", "17.5"],
        [
            "main",
            "db2",
            "replica, synchronous",
            "streaming, restart pending",
            "2.5 kB",
            "3",
            "12.3 MB",
            "4.5 GB",
            "7/200",
            "17.5",
        ],
        ["main", "db3", "replica", "starting", "unknown"],
        ["main", "db4", "-", "not reached"],
        ["other", "db1", "-", "not reached"],
    ]
    assert tables.databases({}, {}) == ""


def test_sizes_are_in_units_that_people_read() -> None:
    known = {0: "0 B", 999: "999 B", 1000: "1.0 kB", 7_400_000: "7.4 MB", 2.5e9: "2.5 GB", 4e15: "4000.0 TB"}
    assert {number: tables.size(number) for number in known} == known


def test_words_for_times_and_servers() -> None:
    assert [seconds(value) for value in (0.04, 9.94, 42.4, 185)] == ["0.0 s", "9.9 s", "42 s", "3 min 05 s"]
    assert hosts(["a", "b"]) == "a b"


def version(number: int, settings: dict[str, str], **more: Any) -> dict[str, Any]:
    """A version of settings that two servers have."""
    about = {"time": "2026-05-01T12:00:00Z", "owner": "ann", "kind": "up", "of": None, "release": None, "reason": ""}
    return {"number": number, "servers": {"db1": settings, "db2": settings}, **about, **more}


def test_the_history_of_settings_says_what_each_version_changed() -> None:
    made = [
        version(3, {"a": "1", "b": "2"}, kind="revert", of=1, release=7),
        version(2, {"a": "5", "c": "3"}),
        version(1, {"a": "1", "b": "2"}),
    ]
    lines = config_text.history(result(data={"database_versions": {"versions": made}})).splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("3 *")
    assert "revert to 1  7" in lines[1]
    assert "a 1 → 5, b 2 → (absent), c (absent) → 3" in lines[2]
    assert "the first one that is kept" in lines[3]
    assert "no version yet" in config_text.history(result(data={"database_versions": {"versions": []}}))


def test_a_server_that_came_or_went_is_told_as_that() -> None:
    alone = version(1, {"a": "1"}) | {"servers": {"db1": {"a": "1"}}}
    made = [version(2, {"a": "1"}), alone]
    assert "+ db2" in config_text.history(result(data={"database_versions": {"versions": made}}))


def test_two_versions_are_compared_field_by_field() -> None:
    found = [{"path": "work_mem", "before": "4MB", "after": None, "servers": ["db1", "db2"]}]
    told = result(data={"database_versions": {"differences": found}})
    assert config_text.differences(told, "main", 1, 2) == ("main: version 1 → 2\n  work_mem  4MB → (absent)  [db1 db2]")
    same = result(data={"database_versions": {"differences": []}})
    assert "the same settings" in config_text.differences(same, "main", 1, 2)


def test_what_was_brought_back_says_what_the_next_up_does() -> None:
    data = {"database_versions": {"recorded": {"main": 4}, "reverted": {"main": {"work_mem": "4MB"}}}}
    told = config_text.reverted(result(data=data), "main", {"work_mem": "32MB"})
    assert "as version 4" in told
    assert 'settings: {"work_mem": "4MB"}' in told
    assert "keeps them" in config_text.reverted(result(data=data), "main", {"work_mem": "4MB"})
    data["database_versions"]["recorded"] = {}
    assert "already" in config_text.reverted(result(data=data), "main", {})
    assert config_text.reverted(result(status=Status.FAILED), "main", {}) == ""
