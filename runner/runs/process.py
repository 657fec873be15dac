# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that touches ansible-runner: one ``ansible-playbook``, under its supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from longshore.runs import environment, storage, supervisor
from longshore.runs.job import Job

# The supervisor is there within tens of milliseconds; a machine that swaps gets its time.
_CONNECT_TIMEOUT = 60.0


class Process:
    """One ``ansible-playbook``. ``run()`` blocks until it has ended; ``end()`` may be called from any thread."""

    def __init__(self, job: Job, directory: Path, on_event: Callable[[Mapping[str, Any]], None]) -> None:
        self._job = job
        self._directory = directory
        self._on_event = on_event
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._ending = False

    def run(self) -> int:
        """The exit code of ``ansible-playbook``, or 128 and the number of the signal that ended it."""
        from ansible_runner.runner import Runner  # noqa: PLC0415 - 0.2 s that `longshore --help` does without

        held = storage.hold(self._directory)
        meeting = Path(tempfile.mkdtemp(prefix="longshore-"))
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(meeting / "s"))
                listener.listen(1)
                greeter = threading.Thread(target=self._greet, args=(listener,), daemon=True)
                greeter.start()
                runner = Runner(self._configuration(meeting / "s"), event_handler=self._event)
                runner.run()
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                greeter.join()
        finally:
            shutil.rmtree(meeting, ignore_errors=True)
            os.close(held)
            self._hang_up()
        return 255 if runner.rc is None else int(runner.rc)

    def end(self) -> None:
        """End it and everything it started: orderly, after ten seconds by force. Returns at once."""
        with self._lock:
            self._ending = True
            if self._control is not None:
                with contextlib.suppress(OSError):
                    self._control.sendall(b"end\n")

    def _greet(self, listener: socket.socket) -> None:
        listener.settimeout(_CONNECT_TIMEOUT)
        try:
            control, _ = listener.accept()
        except OSError:
            return
        with self._lock, contextlib.suppress(OSError):
            self._control = control
            control.sendall(json.dumps(dict(os.environ)).encode() + b"\n")
            if self._ending:
                control.sendall(b"end\n")

    def _hang_up(self) -> None:
        with self._lock:
            if self._control is not None:
                self._control.close()
                self._control = None

    def _configuration(self, meeting: Path) -> Any:
        from ansible_runner.config.runner import RunnerConfig  # noqa: PLC0415 - as above

        job = self._job
        configuration = RunnerConfig(
            private_data_dir=str(self._directory),
            artifact_dir=str(self._directory.parent),
            ident=self._directory.name,
            playbook=job.playbook,
            fact_cache_type="memory",
        )
        configuration.prepare()
        storage.write_private(self._directory / "extravars.json", json.dumps(job.variables()))
        storage.write_private(self._directory / "ansible.cfg", environment.CONFIGURATION)
        configuration.env = environment.settings(job, self._directory, configuration.env)
        configuration.command = [
            *(sys.executable, "-I", "-S", supervisor.__file__),
            *(str(meeting), str(job.stack_file.absolute().parent)),
            *_ansible_playbook(),
            *_arguments(job, self._directory / "extravars.json"),
        ]
        configuration.suppress_ansible_output = True
        configuration.suppress_output_file = not job.log
        return configuration

    def _event(self, raw: dict[str, Any]) -> bool:
        self._on_event(raw)
        return False  # ansible-runner need not keep a file per event: we write our own


def _ansible_playbook() -> list[str]:
    beside = Path(sys.executable).parent / "ansible-playbook"
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "ansible", "playbook"]


def _arguments(job: Job, variables: Path) -> list[str]:
    arguments = ["-i", str(job.stack_file.absolute()), "-e", f"@{variables}"]
    if job.limit is not None:
        arguments += ["--limit", job.limit]
    if job.check:
        arguments.append("--check")
    if job.diff:
        arguments.append("--diff")
    if job.verbosity:
        arguments.append(f"-{'v' * job.verbosity}")
    return [*arguments, job.playbook]
