# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs: real playbooks by the real ansible-runner, with servers that are this machine."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from longshore.runs import (
    ExitCode,
    Job,
    Line,
    PlayStarted,
    RunFinished,
    RunStarted,
    Status,
    TaskFinished,
    TaskStarted,
)
from runs_bench import Bench, command

SAY = {"name": "Say", "ansible.builtin.debug": {"msg": "hello"}}


def test_events_come_in_order_and_the_result_counts_them(bench: Bench) -> None:
    note = {"name": "Note", "ansible.builtin.copy": {"content": "x", "dest": "{{ playbook_dir }}/x"}}
    run = bench.start(bench.playbook(SAY, note, hosts="a"))
    events = list(run.events())
    result = run.wait()
    kinds = [type(event) for event in events if not isinstance(event, Line)]
    assert kinds == [RunStarted, PlayStarted, TaskStarted, TaskFinished, TaskStarted, TaskFinished, RunFinished]
    assert [event.time for event in events] == sorted(event.time for event in events)
    assert result.status is Status.DONE
    assert result.exit_code == ExitCode.DONE
    assert (result.counters["a"].ok, result.counters["a"].changed) == (1, 1)
    assert [(change.host, change.change.text) for change in result.changes] == [("a", "Note")]


def test_a_failure_is_named_with_place_and_reason(bench: Bench) -> None:
    run = bench.start(bench.playbook({"name": "Break", "ansible.builtin.fail": {"msg": "the disk is full"}}, hosts="b"))
    result = run.wait()
    assert result.exit_code == ExitCode.FAILED
    assert [(failure.host, failure.task, failure.message) for failure in result.failures] == [
        ("b", "Break", "the disk is full")
    ]


def test_a_failing_command_shows_what_it_said(bench: Bench) -> None:
    result = bench.start(bench.playbook(command("echo no such thing >&2; exit 7"), hosts="a")).wait()
    assert "no such thing" in result.failures[0].message


def test_a_rescued_and_an_ignored_failure_are_none(bench: Bench) -> None:
    broken = {"name": "Break", "ansible.builtin.fail": {"msg": "no"}}
    run = bench.start(
        bench.playbook(
            {"name": "Try", "block": [broken], "rescue": [SAY]}, {**broken, "ignore_errors": True}, hosts="a"
        )
    )
    result = run.wait()
    assert result.status is Status.DONE
    assert result.failures == ()
    assert result.counters["a"].ignored == 1


def test_a_server_that_cannot_be_reached_degrades_the_result(bench: Bench) -> None:
    bench.hosts(a={}, gone={"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1})
    result = bench.start(bench.playbook({"name": "Ping", "ansible.builtin.ping": {}})).wait()
    assert result.status is Status.DEGRADED
    assert result.exit_code == ExitCode.DEGRADED
    assert result.unreachable == ("gone",)


def test_nobody_reachable_is_a_failure(bench: Bench) -> None:
    bench.hosts(gone={"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1})
    result = bench.start(bench.playbook({"name": "Ping", "ansible.builtin.ping": {}}, SAY)).wait()
    assert result.status is Status.FAILED
    assert "gone" in result.failures[0].message


def test_a_play_that_matches_nothing_is_a_failure(bench: Bench) -> None:
    result = bench.start(bench.playbook(SAY, hosts="nobody")).wait()
    assert result.exit_code == ExitCode.FAILED
    assert "matched no server" in result.failures[0].message


def test_a_playbook_that_is_not_there_is_a_failure_with_its_name(bench: Bench) -> None:
    result = bench.start(Path("longshore.stack.no_such_playbook")).wait()
    assert result.exit_code == ExitCode.FAILED
    assert "no_such_playbook" in result.failures[0].message


def test_an_inventory_that_is_not_understood_is_a_failure(bench: Bench) -> None:
    playbook = bench.playbook(SAY)
    bench.inventory.write_text("plugin: longshore.stack.stack\nservers: [")
    assert bench.start(playbook).wait().exit_code == ExitCode.FAILED


def test_check_mode_changes_nothing_and_gives_two(bench: Bench) -> None:
    target = bench.directory / "x"
    note = {"name": "Note", "ansible.builtin.copy": {"content": "x\n", "dest": str(target)}}
    playbook = bench.playbook(note, hosts="a")
    run = bench.start(playbook, check=True, diff=True)
    finished = [event for event in run.events() if isinstance(event, TaskFinished)]
    assert run.wait().exit_code == ExitCode.CHANGES
    assert not target.exists()
    assert "+x" in finished[0].diff
    target.write_text("x\n")
    assert bench.start(playbook, check=True).wait().exit_code == ExitCode.DONE


def test_extra_variables_limit_and_the_run_itself_reach_the_playbook(bench: Bench) -> None:
    task = {
        "name": "Compare",
        "ansible.builtin.assert": {
            "that": ["word == 'a b\"c'", "longshore_run.id == wanted", "longshore_run.reason == 'why'"]
        },
    }
    job = {"id": "run-1", "reason": "why", "extra_variables": {"word": 'a b"c', "wanted": "run-1"}, "limit": "b"}
    result = bench.start(bench.playbook(task), **job).wait()
    assert result.failures == ()
    assert list(result.counters) == ["b"]


def test_the_callers_ansible_cfg_is_not_picked_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.directory / "ansible.cfg").write_text("[defaults]\nforks = nonsense\n")
    monkeypatch.chdir(bench.directory)
    monkeypatch.delenv("ANSIBLE_CONFIG", raising=False)
    assert bench.start(bench.playbook(SAY)).wait().status is Status.DONE


def test_a_ci_systems_variables_do_no_harm(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_ID", "build/17")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "minimal")
    result = bench.start(bench.playbook(SAY)).wait()
    assert result.status is Status.DONE
    assert result.counters["a"].ok == 1


def test_secrets_of_the_environment_reach_the_playbook_and_no_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SECRET", "pa55-word-9")
    task = {
        "name": "Use",
        "ansible.builtin.command": "true",
        "environment": {"X": "{{ lookup('ansible.builtin.env', 'SHOP_SECRET') }}"},
        "failed_when": "lookup('ansible.builtin.env', 'SHOP_SECRET') | length != 11",
        "no_log": True,
    }
    run = bench.start(bench.playbook(task, hosts="a"), extra_variables={"token": "t0ken-8"})
    assert run.wait().status is Status.DONE
    files = [path for path in run.directory.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        text = path.read_bytes()
        assert b"pa55-word-9" not in text, path
        assert b"t0ken-8" not in text, path
    assert stat.S_IMODE(run.directory.stat().st_mode) == 0o700


def test_every_event_is_json_and_kept(bench: Bench) -> None:
    run = bench.start(bench.playbook(SAY))
    told = [json.loads(json.dumps(event.to_dict())) for event in run.events()]
    kept = [json.loads(line) for line in (run.directory / "events.jsonl").read_text().splitlines()]
    assert kept == told
    assert told[-1]["type"] == "run_finished"
    assert told[-1]["exit_code"] == 0


def test_a_large_result_is_not_lost(bench: Bench) -> None:
    task = {"name": "Much", "ansible.builtin.command": {"argv": ["printf", "%01000000d", "7"]}, "failed_when": True}
    result = bench.start(bench.playbook(task, hosts="a")).wait()
    assert result.failures[0].message.endswith("0" * 900000 + "7")


def test_an_id_is_used_once(bench: Bench) -> None:
    playbook = bench.playbook(SAY)
    bench.start(playbook, id="same").wait()
    with pytest.raises(FileExistsError):
        bench.start(playbook, id="same")


def test_a_bad_id_is_refused() -> None:
    with pytest.raises(ValueError, match="letters"):
        Job(playbook="p", stack_file=Path("s"), id="../x")
