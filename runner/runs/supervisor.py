# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that stands between ansible-runner and ``ansible-playbook``, so that nothing of a run goes on after it.

ansible-runner's own cancelling kills one process group, and Ansible's workers have groups of their own: they go on.
This program adopts every descendant. It ends ``ansible-playbook`` in the orderly way (SIGTERM, which ends its workers),
then kills what is left: when it is told to, and when whoever started it is gone, whatever became of him. Only SSH's
shared connections stay: other runs may be using them, and they end by themselves (ControlPersist).

    python -I -S supervisor.py SOCKET DIRECTORY PROGRAM [ARGUMENT…]

It connects to the Unix socket SOCKET, reads one line of JSON (the environment to add its own to), and runs PROGRAM
with DIRECTORY for its working directory. ``end`` on the socket, or its end, ends the run. Standard library only: it
starts before every run.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# ansible-playbook ends its workers within a second of SIGTERM; ten are for a machine under load.
GRACE = 10.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(arguments: list[str]) -> int:
    """Run the program; gives its exit code, or 128 and the signal's number."""
    address, directory, *command = arguments
    control = socket.socket(socket.AF_UNIX)
    control.connect(address)
    environment = {**json.loads(_line(control)), **os.environ}
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    child = os.fork()
    if child == 0:
        _become(command, directory, environment)
    return _watch(child, control, wake)


def _line(control: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        part = control.recv(1 << 16)
        if not part:
            raise SystemExit("the starter of this run is gone")
        received += part
    return received


def _prctl(option: int, value: int) -> None:
    # Linux alone has it; elsewhere SIGTERM to ansible-playbook has to do.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _become(command: list[str], directory: str, environment: dict[str, str]) -> None:
    try:
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        os.chdir(directory)
        os.execve(command[0], command, environment)  # noqa: S606 - a program, without a shell
    except OSError as error:
        os.write(2, f"ERROR! {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _watch(child: int, control: socket.socket, wake: int) -> int:
    deadline: float | None = None
    while True:
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        watched: list[int] = [wake] if deadline is not None else [wake, control.fileno()]
        ready, _, _ = select.select(watched, [], [], timeout)
        stop = False
        if wake in ready:
            stop = any(number in (signal.SIGTERM, signal.SIGINT) for number in os.read(wake, 256))
        if control.fileno() in ready:
            stop = _told_to_stop(control) or stop
        code = _reap(child)
        if code is not None:
            if deadline is not None or stop:
                _sweep()
            return code
        if stop and deadline is None:
            deadline = time.monotonic() + GRACE
            os.kill(child, signal.SIGTERM)
        elif deadline is not None and time.monotonic() >= deadline:
            _sweep()
            return 128 + signal.SIGKILL


def _told_to_stop(control: socket.socket) -> bool:
    try:
        control.recv(64)
    except OSError:
        return True
    return True


def _reap(child: int) -> int | None:
    code = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                ended = os.waitstatus_to_exitcode(status)
                code = ended if ended >= 0 else 128 - ended
    return code


def _sweep() -> None:
    until = time.monotonic() + GRACE
    while time.monotonic() < until:
        left = set(_descendants(os.getpid())) - shared_connections()
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def shared_connections() -> set[int]:
    """The processes of SSH's shared connections (ControlPersist), whoever opened them.

    That is each master, and what it goes through to its server, such as the ``ssh -W`` of a gateway: whatever reads
    from a pipe that a master writes to. One who only uses a connection has given its own pipes to the master, but the
    master holds the same ends of them.
    """
    known = _processes()
    found = {pid for pid in known if _is_master(pid)}
    news = found
    while news:
        written = set().union(*(_pipes(pid, writing=True) for pid in news))
        news = {pid for pid in known if _pipes(pid, ("0",)) & written} - found
        found |= news
    return found


def _is_master(pid: int) -> bool:
    # A connection that has become a master names itself so: `ssh: /home/ops/.ansible/cp/1f2e3d4c5b [mux]`.
    try:
        title = _read(f"/proc/{pid}/cmdline").rstrip(b"\0")
    except OSError:
        return False
    return title.startswith(b"ssh: ") and title.endswith(b" [mux]")


def _pipes(pid: int, descriptors: Iterable[str] = (), *, writing: bool = False) -> set[str]:
    """The pipes that a process has open for one direction, as the kernel names them."""
    directory = f"/proc/{pid}/fd"
    found = set()
    with contextlib.suppress(OSError):
        for name in descriptors or os.listdir(directory):  # noqa: PTH208 - pathlib takes longer to import than a scan
            path = f"{directory}/{name}"
            with contextlib.suppress(OSError):
                may_write = bool(os.lstat(path).st_mode & stat.S_IWUSR)
                if may_write == writing and (target := os.readlink(path)).startswith("pipe:"):  # noqa: PTH115 - as above
                    found.add(target)
    return found


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


def _processes() -> list[int]:
    try:
        return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
    except OSError:
        return []


def _descendants(ancestor: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid in _processes():
        with contextlib.suppress(OSError):
            # pid (name, which may hold spaces and brackets) state ppid …
            fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
            if fields[0] != b"Z":
                children.setdefault(int(fields[1]), []).append(pid)
    found: list[int] = []
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
