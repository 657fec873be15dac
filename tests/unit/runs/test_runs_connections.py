# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs share SSH's connections (ControlPersist): the end of one run leaves them to the others."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from longshore.runs import Status, orphans, supervisor
from longshore.runs.environment import MARKER
from runs_bench import Bench, alive, command, pids, until

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
# What stands for a shared connection, and for the ProxyCommand that it goes through; as SSH's, in a session of its own.
CONNECTION = """#!/bin/bash
cd "$(dirname "$0")" || exit 1
exec 3> >(echo $BASHPID >>shared; exec sleep 600)
echo $$ >>shared
mkfifo silence
exec -a "ssh: $PWD/cp [mux]" cat <>silence
"""


class Shared:
    """A stand-in for a shared connection: ``program`` opens it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.program = directory / "connection"
        self.program.write_text(CONNECTION)
        self.program.chmod(0o755)

    def opened(self) -> bool:
        """Whether both of its processes are there, under their names."""
        return len(self.pids()) == 2 and set(self.pids()) <= supervisor.shared_connections()

    def pids(self) -> list[int]:
        """The master's and its ProxyCommand's."""
        return pids(self.directory / "shared")


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    made = Shared(tmp_path)
    yield made
    for pid in made.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_cancelled_run_leaves_the_connections_that_it_opened(bench: Bench, shared: Shared) -> None:
    own = bench.directory / "own"
    script = f"setsid {shared.program} </dev/null >/dev/null 2>&1 & echo $$ >>{own}; sleep 600"
    run = bench.start(bench.playbook(command(script), hosts="a"))
    until(lambda: pids(own) and shared.opened())
    run.cancel(force=True)
    assert run.wait(90).status is Status.CANCELLED
    assert [pid for pid in pids(own) if alive(pid)] == []
    assert [pid for pid in shared.pids() if not alive(pid)] == []
    assert orphans.find(run.id) == []


def test_ending_orphans_leaves_connections(shared: Shared) -> None:
    run_id = f"orphaned-{os.getpid()}"
    environment = {**os.environ, MARKER: run_id}
    connection = subprocess.Popen([shared.program], env=environment, start_new_session=True)
    orphan = subprocess.Popen(["sleep", "600"], env=environment)
    try:
        until(shared.opened)
        assert orphans.find(run_id) == [orphan.pid]
        assert orphans.end(run_id) == []
        assert orphan.wait(30) == -signal.SIGKILL
        assert [pid for pid in shared.pids() if not alive(pid)] == []
    finally:
        for process in (orphan, connection):
            process.kill()
            process.wait()


class Server:
    """This machine through SSH, for the user that runs the tests."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for name in ("host", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
        settings = {
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": directory / "host",
            "AuthorizedKeysFile": directory / "key.pub",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "yes",
        }
        (directory / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        self.process = subprocess.Popen(
            [str(SSHD), "-D", "-f", directory / "sshd_config", "-E", directory / "log"], start_new_session=True
        )

    def answers(self) -> bool:
        """Whether it can be logged in to; False where it can't run at all."""
        until = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < until:
            words = ["ssh", *self.options(), f"{getpass.getuser()}@127.0.0.1", "true"]
            if subprocess.run(words, capture_output=True, timeout=30, check=False).returncode == 0:
                return True
            time.sleep(0.1)
        return False

    def options(self) -> list[str]:
        """What ssh needs to reach it, and nothing of the user's own."""
        chosen = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "LogLevel=ERROR")
        options = [word for option in chosen for word in ("-o", option)]
        return ["-F", "none", "-i", str(self.directory / "key"), "-p", str(self.port), *options]

    def variables(self, *, gateway: bool) -> dict[str, object]:
        """Ansible's, with one shared connection for all runs; ``gateway``: through itself."""
        words = " ".join(self.options())
        through = f' -o ProxyCommand="ssh {words} -W %h:%p {getpass.getuser()}@127.0.0.1"' if gateway else ""
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": getpass.getuser(),
            "ansible_ssh_pipelining": True,
            "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=60",
            "ansible_ssh_common_args": words + through,
            "ansible_control_path_dir": str(self.directory),
        }


@pytest.fixture
def server() -> Iterator[Server]:
    # pytest's own directories are too long for the name of a socket.
    with tempfile.TemporaryDirectory(prefix="lsh-") as directory:
        made = Server(Path(directory))
        try:
            if not made.answers():
                pytest.skip(f"no sshd can be run here: {(made.directory / 'log').read_text()[-300:]}")
            yield made
        finally:
            for pid in supervisor.shared_connections():
                with contextlib.suppress(OSError):
                    if directory.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGKILL)
            made.process.terminate()
            made.process.wait()


@pytest.mark.skipif(SSHD is None, reason="there is no sshd here")
@pytest.mark.parametrize("gateway", [False, True])
def test_cancelling_one_run_does_not_cut_off_another(bench: Bench, server: Server, gateway: bool) -> None:
    bench.hosts(a=server.variables(gateway=gateway))
    mine, other, free = (bench.directory / name for name in ("mine", "other", "free"))
    first = bench.start(
        bench.playbook(command("true", "Connect"), command(f"echo $$ >>{mine}; sleep 600", "Work"), name="first.yml")
    )
    until(lambda: pids(mine))
    second = bench.start(
        bench.playbook(command(f"echo $$ >>{other}; until [ -e {free} ]; do sleep 0.1; done"), name="second.yml")
    )
    until(lambda: pids(other))
    first.cancel(force=True)
    assert first.wait(90).status is Status.CANCELLED
    assert orphans.find(first.id) == []
    free.touch()
    assert second.wait(90).status is Status.DONE
