# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which playbook and variables an operation is; ``Stack`` for programs."""

from __future__ import annotations

from pathlib import Path

import longshore
import pytest
import yaml
from longshore import BadInput, Options, Result, Stack, Status
from longshore.definition import DefinitionError
from longshore.runs import Failure
from longshore.runs.jobs import Jobs

JOBS = Jobs(Path("/s/stack.yml"), "staging", Options(forks=7, reason="why", diff=True))


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    path = tmp_path / "shop.yml"
    content = {
        "plugin": "longshore.stack.stack",
        "name": "shop",
        "servers": {"app1": {"address": "192.0.2.1"}},
        "services": {"web": {"image": "nginx:1"}, "agent": {"image": "nginx:1", "mode": "global"}},
        "databases": {"main": {"engine": "postgresql", "servers": ["app1"]}},
    }
    path.write_text(yaml.safe_dump(content))
    return Stack.load(path)


def test_a_job_carries_the_file_the_overlay_and_the_options() -> None:
    job = JOBS.deploy(["web"])
    assert (job.playbook, job.stack_file, job.environment) == (
        "longshore.stack.deploy",
        Path("/s/stack.yml"),
        "staging",
    )
    assert (job.forks, job.reason, job.diff, job.check) == (7, "why", True, False)
    assert job.variables()["longshore_services"] == ["web"]
    assert job.variables()["longshore_run"] == {"id": job.id, "owner": job.owner, "reason": "why"}


def test_a_plan_is_a_check_of_the_whole_site() -> None:
    job = JOBS.plan()
    assert (job.playbook, job.check, job.diff) == ("longshore.stack.site", True, True)


def test_the_variables_of_each_operation() -> None:
    assert JOBS.scale({"web": "+2"}).extra_variables == {
        "longshore_scale": {"web": "+2"},
        "longshore_scale_state": "scaled",
    }
    assert JOBS.stop(["web"]).extra_variables["longshore_scale_state"] == "stopped"
    assert JOBS.rollback().extra_variables == {}
    assert JOBS.rollback(3).extra_variables == {"longshore_release": 3}
    assert JOBS.destroy("shop").extra_variables == {"longshore_destroy": {"name": "shop"}}
    assert JOBS.destroy("shop").playbook == "longshore.stack.destroy"
    assert JOBS.destroy("shop", check=True).check is True
    assert JOBS.destroy("shop", cluster=True).playbook == "longshore.stack.destroy_cluster"
    assert JOBS.server_drain("app1").extra_variables == {"longshore_server": "app1"}
    assert JOBS.server_activate("app1").playbook == "longshore.stack.server_activate"
    assert JOBS.run("web", ["env"]).log is False


def test_ids_are_unique_and_owners_are_named() -> None:
    jobs = [JOBS.up() for _ in range(50)]
    assert len({job.id for job in jobs}) == 50
    assert "@" in jobs[0].owner


def test_bad_input_is_refused_before_anything_is_started(stack: Stack) -> None:
    for call in (
        lambda: stack.deploy(["wbe"]),
        lambda: stack.scale({"web": "many"}),
        lambda: stack.scale({"agent": 2}),
        lambda: stack.server_drain("app9"),
        lambda: stack.destroy("shopp"),
    ):
        with pytest.raises(BadInput):
            call()


def test_an_order_for_a_database_names_its_instance_and_servers(stack: Stack) -> None:
    assert JOBS.db_status().playbook == "longshore.stack.database_status"
    kept, gone = JOBS.db_kept(), JOBS.db_discard({"db1": ("/a",)})
    assert kept.playbook == gone.playbook == "longshore.stack.database_former"
    assert [job.extra_variables["longshore_discarded"] for job in (kept, gone)] == [{}, {"db1": ["/a"]}]
    content = yaml.safe_load(stack.path.read_text())
    content["servers"]["db1"] = {"address": "192.0.2.2", "tags": ["db"]}
    content["databases"]["main"]["servers"] = ["db1", "app1"]
    stack.path.write_text(yaml.safe_dump(content))
    job = Stack.load(stack.path).order_of("main", "promote", "app1")
    assert job.playbook == "longshore.stack.database_order"
    wanted = {
        "engine": "postgresql",
        "instance": "shop-main",
        "servers": ["db1", "app1"],
        "order": "promote",
        "server": "app1",
    }
    assert job.extra_variables == {"longshore_database": wanted}
    assert Stack.load(stack.path).order_of("main", "switchover").extra_variables["longshore_database"]["server"] == ""


def test_a_lost_server_is_forgotten_by_all_that_have_to_do_with_it(stack: Stack) -> None:
    content = yaml.safe_load(stack.path.read_text())
    for name in ("db1", "db2"):
        content["servers"][name] = {"address": f"192.0.2.{name[-1]}0", "private_address": f"10.0.0.{name[-1]}"}
    content["databases"] = {
        "main": {"engine": "postgresql", "servers": ["db1", "db2"]},
        "cache": {"engine": "redis", "servers": ["db1", "db2"]},
        "books": {"engine": "mariadb", "servers": ["db1"]},
    }
    stack.path.write_text(yaml.safe_dump(content))
    job = Stack.load(stack.path).forgetting_of("db2")
    assert job.playbook == "longshore.stack.database_forget"
    order = {"engine": "postgresql", "instance": "shop-main", "servers": ["db1", "db2"]}
    wanted = {"server": "db2", "address": "10.0.0.2", "databases": [{**order, "order": "forget", "server": "db2"}]}
    assert job.extra_variables == {"longshore_lost": {**wanted, "watched": [{"name": "shop-cache"}]}}
    with pytest.raises(BadInput, match="db9"):
        Stack.load(stack.path).forgetting_of("db9")


@pytest.mark.parametrize(
    ("database", "server", "words"),
    [("mian", "", "mian"), ("main", "app9", "app9"), ("main", "", "main is on one server, app1: there is no replica")],
)
def test_an_order_that_nobody_could_follow_is_refused(stack: Stack, database: str, server: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        stack.db_order(database, "resync", server)


def test_a_rotation_names_each_database_once(stack: Stack) -> None:
    job = stack.rotation_of(["main", "main"])
    assert (job.playbook, job.extra_variables) == ("longshore.stack.database_rotate", {"longshore_rotated": ["main"]})
    inside = stack.internal_rotation_of(["main", "main"])
    assert (inside.playbook, inside.extra_variables) == (f"{job.playbook}_internal", job.extra_variables)
    for asked in (stack.rotation_of, stack.internal_rotation_of):
        with pytest.raises(BadInput, match="mian"):
            asked(["mian"])


def test_an_upgrade_names_each_engine_once(stack: Stack) -> None:
    for job in (stack.upgrade_of(["main", "main"]), stack.upgrade_of()):
        expected = ("longshore.stack.database_upgrade", {"longshore_upgraded": ["postgresql"]})
        assert (job.playbook, job.extra_variables) == expected
    with pytest.raises(BadInput, match="mian"):
        stack.upgrade_of(["mian"])


def test_settings_are_compared_with_the_file_with_a_version_and_between_two(stack: Stack) -> None:
    for given, playbook, variables in (
        ((), "database_diff", {"longshore_compared": {"database": "", "number": 0}}),
        (("main", 3), "database_diff", {"longshore_compared": {"database": "main", "number": 3}}),
        (
            ("main", 3, 4),
            "database_versions",
            {"longshore_versions": {"state": "compared", "database": "main", "number": 3, "other": 4}},
        ),
    ):
        job = stack.config_diff_of(*given)
        assert (job.playbook, job.extra_variables) == (f"longshore.stack.{playbook}", variables)
        # So that what differs ends with 2, as of a plan.
        assert job.check


def test_a_version_is_brought_back_on_the_servers_of_its_database(stack: Stack) -> None:
    job = stack.config_revert_of("main", 3)
    assert job.playbook == "longshore.stack.database_revert"
    wanted = {"engine": "postgresql", "database": "main", "servers": ["app1"], "number": 3}
    assert (job.extra_variables, job.check) == ({"longshore_reverting": wanted}, False)
    assert not stack.config_history_of("main").check


def test_another_major_version_is_asked_for_by_the_file_too(stack: Stack) -> None:
    job = stack.major_of("main", "17")
    wanted = {"instance": "shop-main", "servers": ["app1"], "to": "17", "mode": "auto", "stanza": "", "fresh": True}
    assert (job.playbook, job.extra_variables) == ("longshore.stack.database_major", {"longshore_major": wanted})
    rehearsal = stack.major_of("main", "16", rehearse=True)
    assert rehearsal.playbook == "longshore.stack.database_rehearse"
    assert rehearsal.extra_variables["longshore_major"] == {**wanted, "to": "16", "fresh": False}
    with pytest.raises(BadInput, match="Write `version: 16` there first"):
        stack.major_of("main", "16")
    with pytest.raises(BadInput, match="there is no PostgreSQL 9"):
        stack.major_of("main", "9", rehearse=True)
    with pytest.raises(BadInput, match="mian"):
        stack.major_of("mian", "17")


def test_servers_that_wait_for_each_other_are_worked_on_at_once() -> None:
    servers = [f"db{number}" for number in range(9)]
    assert JOBS.db_major("shop-main", servers, "17", stanza="", rehearse=False).forks == len(servers)
    assert JOBS.db_major("shop-main", servers[:2], "17", stanza="", rehearse=False).forks == 7


def test_a_rotation_that_would_cut_a_service_off_is_refused(stack: Stack) -> None:
    content = yaml.safe_load(stack.path.read_text())
    environment = {"HOST": "{{ databases.main.host | upper }}", "URL": "{{ databases.main.url }}"}
    content["services"]["web"]["environment"] = environment
    stack.path.write_text(yaml.safe_dump(content))
    assert Stack.load(stack.path).rotation_of(["main"])
    environment["QUOTED"] = "x {{ databases.main.password | urlencode }}"
    stack.path.write_text(yaml.safe_dump(content))
    with pytest.raises(BadInput, match=r"web would be cut off: .* QUOTED \(main\)"):
        Stack.load(stack.path).rotation_of(["main"])


def test_what_nobody_manages_or_has_is_not_ordered(stack: Stack) -> None:
    content = yaml.safe_load(stack.path.read_text())
    content["servers"]["db1"] = {"address": "192.0.2.2", "tags": ["db"]}
    content["databases"]["crm"] = {"engine": "redis", "external": {"host": "redis.example"}}
    content["databases"]["seats"] = {"engine": "memcached", "servers": ["app1", "db1"]}
    stack.path.write_text(yaml.safe_dump(content))
    changed = Stack.load(stack.path)
    for call in (
        lambda: changed.order_of("crm", "switchover"),
        lambda: changed.rotation_of(["crm"]),
        lambda: changed.backup_of("made", ["crm"]),
        lambda: changed.upgrade_of(["crm"]),
        lambda: changed.config_diff_of("crm"),
    ):
        with pytest.raises(BadInput, match=r"crm is external, so .* is for whoever runs it"):
            call()
    for call in (
        lambda: changed.order_of("seats", "resync", "db1"),
        lambda: changed.rotation_of(["seats"]),
        lambda: changed.upgrade_of(["seats"]),
        lambda: changed.config_history_of("seats"),
        lambda: changed.config_revert_of("seats", 1),
    ):
        with pytest.raises(BadInput, match="seats is a memcached"):
            call()


def test_numbers_and_signs_are_replicas(stack: Stack) -> None:
    assert stack.replicas({"web": 5}) == {"web": "5"}
    assert stack.replicas({"web": "-1"}) == {"web": "-1"}


def test_releases_are_a_list_or_the_reason_why_not(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"stack_info": {"releases": [{"number": 2}, {"number": 1}]}}
    failure = Failure(host="app1", task="", role="", message="no manager answers")
    answers = [
        Result(run="r", status=Status.DONE, duration=1.0, data=known),
        Result(run="r", status=Status.FAILED, duration=1.0, failures=(failure,)),
    ]
    monkeypatch.setattr(stack, "run_job", lambda _job, _on_event: answers.pop(0))
    assert [release["number"] for release in stack.releases()] == [2, 1]
    with pytest.raises(RuntimeError, match="no manager answers"):
        stack.releases()


def test_a_bad_file_raises_with_its_problems(tmp_path: Path) -> None:
    (tmp_path / "s.yml").write_text("plugin: longshore.stack.stack\nname: shop\nservrs: {}\n")
    with pytest.raises(DefinitionError, match=r"s\.yml:3:"):
        Stack.load(tmp_path / "s.yml")


def test_the_package_gives_what_it_promises_and_nothing_else() -> None:
    for name in longshore.__all__:
        assert getattr(longshore, name)
    with pytest.raises(AttributeError):
        longshore.nothing  # noqa: B018 - that it raises is the test
