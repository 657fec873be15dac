# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cancelling, and what becomes of a run whose owner is killed: nothing goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from longshore.runs import Cancelling, ExitCode, Line, Run, Status, orphans
from longshore.runs import run as run_module
from longshore.runs.events import Event
from runs_bench import Bench, alive, command, pids, until

# A task that notes its process and that of a child in a session of its own, and never ends by itself.
ENDLESS = "echo $$ >> {notes}; setsid sh -c 'echo $$ >> {notes}; exec sleep 600' & sleep 600"


def endless(bench: Bench) -> tuple[Run, Path]:
    """A run whose two servers each run a task that never ends."""
    notes = bench.directory / "pids"
    run = bench.start(bench.playbook(command(ENDLESS.format(notes=notes)), command("touch later", "Later")))
    until(lambda: len(pids(notes)) == 4)
    return run, notes


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation that is not forced takes longer than anybody waits here."""
    monkeypatch.setattr(run_module, "MARK_TIMEOUT", 600.0)
    monkeypatch.setattr(run_module, "SAFE_POINT_TIMEOUT", 600.0)


def test_forced_cancelling_leaves_no_process(bench: Bench, patient: None) -> None:
    run, notes = endless(bench)
    run.cancel(force=True)
    result = run.wait(90)
    assert result.status is Status.CANCELLED
    assert result.exit_code == ExitCode.CANCELLED == 130
    assert [pid for pid in pids(notes) if alive(pid)] == []
    assert orphans.find(run.id) == []


def test_cancelling_tells_the_servers_waits_for_a_safe_point_and_releases(bench: Bench) -> None:
    mark = bench.directory / "mark"
    script = f"while [ ! -e {mark} ]; do sleep 0.05; done; sleep 0.5; echo safe >> {bench.directory}/steps"
    telling = bench.playbook(
        command(f"echo {{{{ longshore_cancel }}}} {{{{ longshore_run.id }}}} >> {bench.directory}/steps; touch {mark}"),
        name="cancel.yml",
        hosts="a",
    )
    later = command(f"echo later >> {bench.directory}/steps", "Later")
    run = bench.start(bench.playbook(command(script), later, hosts="b"), cancel_playbook=str(telling), id="r1")
    until(lambda: any("task_started" in line for line in (run.directory / "events.jsonl").read_text().splitlines()))
    run.cancel()
    stages = [event.stage for event in run.events() if isinstance(event, Cancelling)]
    assert run.wait().status is Status.CANCELLED
    assert stages == ["marking", "waiting", "ending"]
    steps = (bench.directory / "steps").read_text().splitlines()
    assert steps[:2] == ["mark r1", "safe"]
    assert steps[-1] == "release r1"
    assert orphans.find(run.id) == []


def test_the_second_cancel_does_not_wait(bench: Bench, patient: None) -> None:
    telling = bench.playbook(command("sleep 600"), name="cancel.yml", hosts="a")
    notes = bench.directory / "pids"
    run = bench.start(bench.playbook(command(ENDLESS.format(notes=notes))), cancel_playbook=str(telling))
    until(lambda: len(pids(notes)) == 4)
    run.cancel()
    until(lambda: orphans.find(f"{run.id}.mark"))
    run.cancel(force=True)
    assert run.wait(90).exit_code == ExitCode.CANCELLED
    assert [pid for pid in pids(notes) if alive(pid)] == []
    assert orphans.find(run.id) + orphans.find(f"{run.id}.mark") == []


def test_servers_that_cannot_be_told_do_not_keep_the_run_from_being_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "SAFE_POINT_TIMEOUT", 0.5)
    telling = bench.playbook(command("true"), name="cancel.yml", hosts="a")
    notes = bench.directory / "pids"
    run = bench.start(bench.playbook(command(ENDLESS.format(notes=notes))), cancel_playbook=str(telling), id="r1")
    until(lambda: len(pids(notes)) == 4)
    # Those that tell them are runs too, and find the directories of their ids taken.
    for what in ("mark", "release"):
        (run.directory.parent / f"r1.{what}").mkdir()
    run.cancel()
    assert run.wait(60).status is Status.CANCELLED
    assert [pid for pid in pids(notes) if alive(pid)] == []
    warnings = [event.text for event in run.events() if isinstance(event, Line) and event.level == "warning"]
    assert [text.partition(":")[0] for text in warnings] == [
        "the servers could not be told of the cancelling (mark)",
        "the servers could not be told of the cancelling (release)",
    ]


def test_an_event_that_cannot_be_written_does_not_keep_the_run_from_being_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, notes = endless(bench)
    emit = Run._emit

    def full(run: Run, event: Event) -> None:
        if isinstance(event, Cancelling):
            raise OSError("no space left on device")
        emit(run, event)

    monkeypatch.setattr(Run, "_emit", full)
    monkeypatch.setattr(threading, "excepthook", lambda _arguments: None)
    run.cancel()
    assert run.wait(60).status is Status.CANCELLED
    assert [pid for pid in pids(notes) if alive(pid)] == []


def test_cancelling_after_the_end_changes_nothing(bench: Bench) -> None:
    run = bench.start(bench.playbook({"name": "Say", "ansible.builtin.debug": {"msg": "x"}}))
    assert run.wait().status is Status.DONE
    run.cancel()
    assert run.wait().status is Status.DONE


def test_a_run_that_breaks_down_lets_its_canceller_go(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def breaks(_process: run_module.Process) -> int:
        ended.wait(90)
        raise OSError("no terminal left")

    monkeypatch.setattr(run_module.Process, "run", breaks)
    monkeypatch.setattr(run_module.Process, "end", lambda _process: ended.set())
    run = bench.start(bench.playbook())
    run.cancel(force=True)
    with pytest.raises(RuntimeError):
        run.wait(90)
    assert run._canceller is not None
    run._canceller.join(90)
    assert not run._canceller.is_alive()


def test_leaving_the_context_by_an_exception_ends_the_run(bench: Bench) -> None:
    run, notes = endless(bench)
    run.cancel(force=True)
    try:
        with run:
            raise LookupError
    except LookupError:
        pass
    assert [pid for pid in pids(notes) if alive(pid)] == []


def owner(bench: Bench) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Another process that owns an endless run, and the processes of its tasks."""
    notes = bench.directory / "pids"
    playbook = bench.playbook(command(ENDLESS.format(notes=notes)))
    program = (
        "from pathlib import Path; from longshore.runs import Job, start; "
        f"start(Job(playbook={str(playbook)!r}, stack_file=Path({str(bench.inventory)!r}), "
        "cancel_playbook=None, id='killed')).wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    until(lambda: len(pids(notes)) == 4)
    return process, pids(notes)


def test_nothing_survives_an_owner_that_is_killed(bench: Bench) -> None:
    process, tasks = owner(bench)
    process.kill()
    process.wait()
    until(lambda: not any(alive(pid) for pid in tasks) and not orphans.find("killed"))


def test_nothing_survives_a_supervisor_that_is_killed(bench: Bench) -> None:
    process, tasks = owner(bench)
    supervisors = [pid for pid in orphans.find("killed") if "supervisor.py" in _words(pid)]
    assert len(supervisors) == 1
    os.kill(supervisors[0], signal.SIGKILL)
    process.wait(30)
    until(lambda: not any(alive(pid) for pid in tasks) and not orphans.find("killed"))


def _words(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - nothing to join
            return file.read().decode().replace("\0", " ")
    except OSError:
        return ""
