# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds that fail, are cancelled, lose their controller, need credentials; what is seen of them meanwhile.

On a lab of its own, named by the variable LAB (default ``images``); it is removed afterwards unless LAB_KEEP is set.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = os.environ.get("LAB", "images")
BIN = Path(sys.executable).parent
PASSWORD = "molecule-7fK2pQ"
REGISTRY = "registry.longshore.internal:5000"
PLAY = """
- hosts: app2
  gather_facts: false
  tasks:
    - longshore.stack.image_build:
        stack: integration
        builds: "{{ builds }}"
        registry_auth: "{{ registry_auth }}"
        git_auth: "{{ git_auth | default([]) }}"
        deadline: "{{ deadline | default(600) }}"
        rebuild: "{{ rebuild | default(false) }}"
        run: {id: "{{ run }}", owner: integration}
      register: answer
    - ansible.builtin.copy:
        content: "{{ answer | to_json }}"
        dest: "{{ result }}"
      delegate_to: localhost
      vars: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""
TICKING = "FROM busybox\nRUN for i in $(seq 1 300); do echo tick $i; sleep 1; done\n"


def lab(*words: str, check: bool = True) -> str:
    command = [sys.executable, str(ROOT / "molecule/shared/lab"), *words]
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


def on(host: str, command: str, *, check: bool = True) -> str:
    return lab("ssh", "--name", NAME, host, "--", command, check=check)


def until(condition: Callable[[], Any], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.2)


def environment() -> dict[str, str]:
    return {**os.environ, "LAB": NAME, "PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1"}


def playbook(path: Path, *words: str) -> list[str]:
    return [str(BIN / "ansible-playbook"), "-i", str(ROOT / "molecule/inventory/lab.py"), str(path), *words]


@pytest.fixture(scope="module", autouse=True)
def servers() -> Iterator[None]:
    lab("up", "--name", NAME, "--servers", "2")
    prepare = ROOT / "molecule/build/prepare.yml"
    done = subprocess.run(playbook(prepare), env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    on("app2", "apt-get install -y --no-install-recommends git docker-buildx")
    yield
    if "LAB_KEEP" not in os.environ:
        lab("down", "--name", NAME)


class Build:
    """One run of the module in a terminal; lines are noted with the time at which they came."""

    def __init__(self, directory: Path, words: tuple[str, ...], variables: dict[str, Any]) -> None:
        self.run = f"it-{uuid.uuid4().hex[:12]}"
        self.begun = time.monotonic()
        self.lines: list[tuple[float, str]] = []
        self._result = directory / f"{self.run}.json"
        (directory / "play.yml").write_text(PLAY)
        given = {
            "registry_auth": [{"registry": REGISTRY, "username": "longshore", "password": PASSWORD}],
            "run": self.run,
            "result": str(self._result),
            **variables,
        }
        facts = directory / f"{self.run}-variables.json"
        facts.touch(mode=0o600)
        facts.write_text(json.dumps(given))
        ours, theirs = pty.openpty()
        command = playbook(directory / "play.yml", "-e", f"@{facts}", *words)
        self.process = subprocess.Popen(
            command, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, args=(ours,))
        self._reader.start()

    def _read(self, terminal: int) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while piece := os.read(terminal, 65536):
                *lines, rest = (rest + piece).split(b"\n")
                now = time.monotonic() - self.begun
                self.lines += [(now, line.decode(errors="replace").rstrip("\r")) for line in lines]
        os.close(terminal)

    def wait(self) -> int:
        code = self.process.wait(timeout=300)
        self._reader.join(timeout=10)
        return code

    @property
    def output(self) -> str:
        return "\n".join(line for _when, line in self.lines)

    @property
    def result(self) -> dict[str, Any]:
        assert self.wait() == 0, self.output
        found: dict[str, Any] = json.loads(self._result.read_text())
        return found


Starter = Callable[..., Build]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Starter]:
    started: list[Build] = []

    def start(*words: str, **variables: Any) -> Build:
        started.append(Build(tmp_path, words, variables))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.terminate()
            each.wait()


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., str]:
    """Push files as a repository of a fresh commit; gives its name."""

    def push(dockerfile: str, *, name: str = "", private: bool = False) -> str:
        name = name or f"it-{uuid.uuid4().hex[:10]}"
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        (directory / "Dockerfile").write_text(dockerfile)
        (directory / "fresh").write_text(uuid.uuid4().hex)
        lab("git", "push", "--name", NAME, *(["--private"] if private else []), str(directory), name)
        return name

    return push


def left_behind() -> str:
    """Processes and files of builds on the builder."""
    return on(
        "app2",
        "pgrep -af '[b]uildx|[s]eq 1 300'; ls -d /run/longshore-build-* /var/lib/longshore/integration/builds/*/tree",
        check=False,
    )


def test_a_dockerfile_that_fails(build: Starter, repository: Callable[..., str]) -> None:
    name = repository("FROM busybox\nRUN echo so far so good\nRUN echo the last words && exit 42\n")
    run = build(builds={"web": {"git": f"https://git.lab/{name}.git"}})
    assert run.wait() != 0
    assert "web: [3/3] RUN echo the last words && exit 42 (Dockerfile:3): exit code 42" in run.output
    message = next(line for _when, line in run.lines if "nothing was deployed" in line)
    after = [line for _when, line in run.lines][[line for _when, line in run.lines].index(message) :]
    assert any(line.strip() == "the last words" for line in after)
    log = re.search(r"whole log: (\S+\.log)", run.output)
    assert log
    assert "the last words" in on("app2", f"cat {log[1]}")
    assert not left_behind()


def test_lines_come_while_the_build_runs(build: Starter, repository: Callable[..., str]) -> None:
    # The name makes it a step that no earlier build has left in the cache.
    step = f": {uuid.uuid4().hex}; for i in 1 2 3 4 5 6; do echo tick $i; sleep 1; done"
    name = repository(f"FROM busybox\nRUN {step}\n")
    run = build(builds={"web": {"git": f"https://git.lab/{name}.git"}})
    assert run.result["changed"]
    ticks = [when for when, line in run.lines if re.search(r"\[app2\] web \| #\d+ \d+\.\d+ tick \d", line)]
    done = next(when for when, line in run.lines if line.startswith("changed: [app2]"))
    assert len(ticks) == 6
    assert ticks[-1] - ticks[0] > 3.0, "they came all at once"
    assert done - ticks[0] > 4.0


def test_the_same_commit_is_not_built_twice(build: Starter, repository: Callable[..., str]) -> None:
    name = repository("FROM busybox\n")
    builds = {"web": {"git": f"https://git.lab/{name}.git", "ref": "main"}}
    first = build(builds=builds).result
    again = build(builds=builds).result
    repository("FROM busybox\nENV NEW=1\n", name=name)
    other = build(builds=builds).result
    images = [each["images"]["web"] for each in (first, again, other)]
    assert [image["built"] for image in images] == [True, False, True]
    assert [each["changed"] for each in (first, again, other)] == [True, False, True]
    assert images[0]["image"] == images[1]["image"] != images[2]["image"]
    assert first["configs"]["web"]["Cmd"] == ["sh"]


@pytest.mark.long
def test_two_runs_at_once_build_once(build: Starter, repository: Callable[..., str]) -> None:
    name = repository(f"FROM busybox\nRUN : {uuid.uuid4().hex} && sleep 5\n")
    source = {"git": f"https://git.lab/{name}.git"}
    runs = [build(builds={"web": source, "worker": source}) for _ in range(2)]
    results = [run.result["images"] for run in runs]
    assert sorted(result["web"]["built"] for result in results) == [False, True]
    assert results[0]["web"]["image"] == results[1]["web"]["image"]
    # The second service's image is the first one's by another name.
    assert len({result[service]["digest"] for result in results for service in ("web", "worker")}) == 1
    assert sum(run.output.count("load build definition from Dockerfile") > 0 for run in runs) == 1
    assert "worker | #" not in "".join(run.output for run in runs)


def test_check_mode_predicts_and_builds_nothing(build: Starter, repository: Callable[..., str]) -> None:
    name = repository("FROM busybox\n")
    builds = {"web": {"git": f"https://git.lab/{name}.git"}}
    before = on("app2", "docker images -q | sort -u")
    checked = build("--check", "--diff", builds=builds)
    assert checked.wait() == 0
    assert re.search(r"^\+web: \S+/integration/web:[0-9a-f]{12}-[0-9a-f]{8}$", checked.output, re.MULTILINE)
    assert on("app2", "docker images -q | sort -u") == before
    real = build(builds=builds).result
    assert real["images"]["web"]["image"].partition("@")[0] in checked.output
    again = build("--check", builds=builds)
    assert again.wait() == 0
    assert "ok: [app2]" in again.output
    assert "changed: [app2]" not in again.output


def test_an_operator_cancels(build: Starter, repository: Callable[..., str]) -> None:
    run = build(builds={"web": {"git": f"https://git.lab/{repository(TICKING)}.git"}})
    until(lambda: "tick 2" in run.output, 60, "the build runs")
    on("app2", f"mkdir -p /run/longshore/cancel && touch /run/longshore/cancel/{run.run}")
    asked = time.monotonic()
    assert run.wait() != 0
    assert time.monotonic() - asked < 60
    assert "cancelled by the operator" in run.output
    until(lambda: not left_behind(), 60, "nothing is left")


def test_the_controller_dies(build: Starter, repository: Callable[..., str]) -> None:
    run = build(builds={"web": {"git": f"https://git.lab/{repository(TICKING)}.git"}})
    until(lambda: "tick 2" in run.output, 60, "the build runs")
    for process in reversed(descendants(run.process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    until(lambda: not left_behind(), 60, "the build ends when nobody listens any more")


@pytest.mark.long
def test_a_build_that_takes_too_long(build: Starter, repository: Callable[..., str]) -> None:
    run = build(builds={"web": {"git": f"https://git.lab/{repository(TICKING)}.git"}}, deadline=6)
    assert run.wait() != 0
    assert "web: it took longer than 6 s and was ended" in run.output
    until(lambda: not left_behind(), 60, "nothing is left")


def test_a_registry_that_is_gone_is_noticed_before_building(build: Starter, repository: Callable[..., str]) -> None:
    name = repository("FROM busybox\n")
    on("app1", "systemctl stop docker-registry")
    try:
        run = build(builds={"web": {"git": f"https://git.lab/{name}.git"}})
        assert run.wait() != 0
    finally:
        on("app1", "systemctl start docker-registry")
    assert f"{REGISTRY} cannot be reached" in run.output
    assert "load build definition" not in run.output


@pytest.mark.long
@pytest.mark.parametrize("way", ["https", "ssh"])
def test_a_private_repository(build: Starter, repository: Callable[..., str], way: str) -> None:
    name = repository("FROM busybox\nCOPY . /src\nRUN sleep 3\n", private=True)
    password = (ROOT / f".lab/{NAME}/git.password").read_text().strip()
    key = (ROOT / f".lab/{NAME}/id_ed25519").read_text()
    address = {"https": f"https://git.lab/private/{name}.git", "ssh": f"git@git.lab:private/{name}.git"}[way]
    auth = {"https": {"username": "lab", "password": password}, "ssh": {"ssh_key": key}}[way]
    secrets = [PASSWORD, password, key.splitlines()[2]]

    refused = build(builds={"web": {"git": address}})
    assert refused.wait() != 0
    assert re.search("asks for a password|Permission denied", refused.output)

    run = build("-vvv", builds={"web": {"git": address}}, git_auth=[{"host": "git.lab", **auth}])
    seen = ""
    while run.process.poll() is None:
        seen += on("app2", "ps axww -o args", check=False)
    image = run.result["images"]["web"]["image"]
    seen += run.output
    seen += on("app2", f"docker history --no-trunc {image}; docker inspect {image}; journalctl --no-pager -o cat")
    seen += on("app2", f"docker run --rm --network none {image} find /src -type f -exec cat {{}} +")
    assert not [secret for secret in secrets if secret in seen]
    found = on(
        "app2",
        "grep -rlE -e "
        + " -e ".join(f"'{re.escape(secret)}'" for secret in secrets)
        + " /var/lib/longshore /run /tmp /root /var/log",
        check=False,
    )
    assert not found


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_git_server_with_another_key_is_refused(build: Starter, repository: Callable[..., str], kind: str) -> None:
    name = repository("FROM busybox\n", private=True)
    login = {"host": "git.lab", "ssh_key": (ROOT / f".lab/{NAME}/id_ed25519").read_text()}
    learned = "/var/lib/longshore/integration/builds/known_hosts"
    on("app2", f"rm -f /tmp/other*; ssh-keygen -q -t {kind} -N '' -f /tmp/other; mkdir -p {learned[:-12]}")
    on("app2", f"echo git.lab $(cut -d ' ' -f 1-2 /tmp/other.pub) >{learned}")
    try:
        run = build(builds={"web": {"git": f"git@git.lab:private/{name}.git"}}, git_auth=[login])
        assert run.wait() != 0
    finally:
        on("app2", f"rm {learned}")
    assert f"the SSH key of git.lab is not in {learned}" in run.output


def descendants(pid: int) -> list[int]:
    """A process and everything below it."""
    found = [pid]
    for parent in found:
        children = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False).stdout
        found += [int(child) for child in children.split()]
    return found
