# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs end with everything they have started."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.longshore.stack.plugins.module_utils.image_process import Overdue, Processes, Stopped


def await_lines(path: Path, count: int) -> list[str]:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        lines = path.read_text().split() if path.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.01)
    raise AssertionError(f"{path} has not {count} lines")


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_lines_come_as_they_are_written(tmp_path: Path) -> None:
    lines: list[str] = []
    script = f'echo one; echo two >&2; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; printf "three"; exit 7'

    def take(line: str) -> None:
        lines.append(line)
        if line == "two":
            (tmp_path / "go").touch()

    code = Processes().run(["sh", "-c", script], take, environment={}, until=time.monotonic() + 10)
    assert (code, lines) == (7, ["one", "two", "three"])


def test_secrets_are_hidden_the_longest_first() -> None:
    hide = Processes(["abc", "abcdef", ""]).hide
    assert hide("x abcdef abc x") == "x *** *** x"


def test_a_deadline_ends_the_whole_family(tmp_path: Path) -> None:
    # The grandchild leaves its process group, as Docker's client makes its plugins do, and ignores being asked to end.
    child = tmp_path / "child.py"
    child.write_text(
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.setpgid(0, 0)\n"
        "open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
        "time.sleep(60)\n"
    )
    script = f"echo $$ >> {tmp_path}/pids; python3 {child} {tmp_path}/pids & wait"
    processes = Processes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ansible_collections.longshore.stack.plugins.module_utils.image_process.GRACE", 0.2)
        begun = time.monotonic()
        with pytest.raises(Overdue):
            processes.run(["sh", "-c", script], lambda _line: None, environment={}, until=begun + 5.0)
    pids = await_lines(tmp_path / "pids", 2)
    assert not any(alive(pid) for pid in pids)
    assert time.monotonic() - begun < 40


def test_stopping_ends_what_runs_and_lets_nothing_begin(tmp_path: Path) -> None:
    processes = Processes()
    outcome: list[type[BaseException]] = []

    def work() -> None:
        try:
            script = f"echo $$ > {tmp_path}/pids; sleep 60"
            processes.run(["sh", "-c", script], lambda _line: None, environment={}, until=time.monotonic() + 60)
        except Stopped as stopped:
            outcome.append(type(stopped))

    thread = threading.Thread(target=work)
    thread.start()
    pid = await_lines(tmp_path / "pids", 1)[0]
    processes.stop()
    thread.join(timeout=10)
    assert outcome == [Stopped]
    assert not alive(pid)
    with pytest.raises(Stopped):
        processes.run(["true"], lambda _line: None, environment={}, until=time.monotonic() + 1)


def test_the_environment_is_added_to_our_own() -> None:
    processes = Processes()
    code, output = processes.run_for_output(
        ["sh", "-c", 'echo "$NEW $HOME"'], environment={"NEW": "1"}, until=time.monotonic() + 10
    )
    assert (code, output) == (0, f"1 {os.environ['HOME']}")
