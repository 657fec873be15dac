# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end-to-end tests share: the lab, stack files on it, the command line, a client that puts load on it."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "molecule/shared"))

from lab import ssh, state

ROOT = Path(__file__).resolve().parents[2]
LONGSHORE = Path(sys.executable).parent / "longshore"
LOAD = ROOT / "molecule/shared/client/load.py"


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of ``condition()``; fails when there is none within ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.25)


def nothing_lost(report: dict[str, Any], rate: int = 200) -> None:
    """Fails unless the load of ``Lab.load`` kept its ``rate`` and every request got its answer."""
    assert report["total"] > 0, report
    assert report["failed"] == 0, report
    # At its end it may have been behind by less than what counts as late.
    assert report["total"] >= rate * (report["seconds"] - 1), report


@dataclass
class Lab:
    """The servers of one lab, reached over SSH, and the client that judges from outside."""

    name: str = os.environ.get("LAB", "test")
    described: dict[str, Any] = field(default_factory=dict)

    def run(self, *words: str, timeout: float = 600, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command of the lab's own."""
        command = [sys.executable, str(ROOT / "molecule/shared/lab"), *words]
        return subprocess.run(command, check=check, capture_output=True, text=True, timeout=timeout)

    def up(self, servers: int = 3) -> None:
        """Make the lab, or what is missing of it."""
        self.described = json.loads(self.run("up", "--name", self.name, "--servers", str(servers), "--json").stdout)

    def on(self, host: str, *words: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """A command on a server or on ``client``."""
        # Without `lab ssh` in between, which would cost three times as much: much is asked again and again.
        known = state.load(self.name)
        assert known is not None, f"there is no lab {self.name}"
        command = ssh.command(known, host, list(words))
        return subprocess.run(command, check=check, capture_output=True, text=True, timeout=timeout)

    def push(self, directory: Path, repository: str) -> None:
        """Commit a directory to a repository of the lab's Git server."""
        self.run("git", "push", "--name", self.name, str(directory), repository)

    def address(self, host: str, family: str = "v4") -> str:
        """The public address of a host."""
        return str(self.described["hosts"][host]["public"][family])

    def virtual(self) -> list[str]:
        """Addresses of the public network that no host has, for load balancers to share: IPv4 and IPv6."""
        bases = (self.address("app1").rpartition(".")[0] + ".", self.address("app1", "v6").rpartition("::")[0] + "::")
        return [f"{base}150" for base in bases]

    def get(self, url: str, *options: str) -> tuple[int, str]:
        """Status and body of a GET from the client; status 0 when there was no answer."""
        words = ["curl", "-sg", "-m", "10", "-w", "\\n%{http_code}", *options, url]
        body, _, status = self.on("client", *words, check=False).stdout.rpartition("\n")
        return int(status or 0), body

    @contextlib.contextmanager
    def load(self, urls: list[str], host: str, rate: int = 200, **options: float) -> Iterator[dict[str, Any]]:
        """Put load on ``urls`` while the block runs; the yielded dict is filled with the report afterwards."""
        report: dict[str, Any] = {}
        words = ["python3", "/opt/lab/load.py", *urls, "--rate", str(rate), "--host", host]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        container = self.described["hosts"]["client"]["container"]
        process = subprocess.Popen(["docker", "exec", container, *words], stdout=subprocess.PIPE, text=True)
        try:
            yield report
        finally:
            subprocess.run(["docker", "exec", container, "pkill", "-TERM", "-f", "load.py"], check=False)
            output, _ = process.communicate(timeout=60)
            report.update(json.loads(output))


@dataclass
class StackFile:
    """A stack file of the tests: a copy of an example that really deploys, which a test changes."""

    path: Path
    content: dict[str, Any]

    @classmethod
    def of(cls, example: str, directory: Path, lab: Lab) -> StackFile:
        """A copy of ``inventories/<example>.yml`` in ``directory``, with the lab's addresses and absolute paths."""
        content = yaml.safe_load((ROOT / "inventories" / f"{example}.yml").read_text())
        state = ROOT / ".lab" / lab.name
        content["ssh"] |= {"key": str(state / "id_ed25519"), "known_hosts": str(state / "known_hosts")}
        content["ca_certificates"] = [str(state / "ca.crt")]
        for name, server in content["servers"].items():
            addresses = lab.described["hosts"][name]
            server |= {"address": addresses["public"]["v4"], "private_address": addresses["private"]["v4"]}
        stack = cls(directory / f"{example}.yml", content)
        stack.write()
        return stack

    def write(self) -> None:
        """Put the content on disk."""
        self.path.write_text(yaml.safe_dump(self.content, sort_keys=False))

    @contextlib.contextmanager
    def changed(self, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
        """Another content while the block runs; ``change`` gets a copy to edit."""
        before = self.content
        self.content = copy.deepcopy(before)
        change(self.content)
        self.write()
        try:
            yield
        finally:
            self.content = before
            self.write()


@dataclass
class Outcome:
    """What a command of the CLI did."""

    code: int
    output: str
    errors: str
    seconds: float

    @property
    def everything(self) -> str:
        """Standard output and standard error."""
        return self.output + self.errors

    @property
    def end(self) -> str:
        """What a failed test shows of it: the failures and notices of a result object, or the last words."""
        try:
            result = self.json
            told = {name: result[name] for name in ("failures", "unreachable", "notices")}
        except (ValueError, LookupError, TypeError):
            return self.everything[-4000:]
        return json.dumps(told, indent=1)[:8000] + self.errors[-2000:]

    @property
    def json(self) -> Any:
        """The last JSON document of the output: a command's result object."""
        return json.loads(self.output.strip().splitlines()[-1])


def longshore(stack: StackFile, *words: str, timeout: float = 900) -> Outcome:
    """Run ``longshore WORDS`` on the stack file."""
    start = time.monotonic()
    done = subprocess.run(
        [str(LONGSHORE), "-f", str(stack.path), *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


def ansible_playbook(stack: StackFile, *words: str, timeout: float = 900) -> Outcome:
    """Run ``ansible-playbook -i FILE WORDS`` as somebody without a checkout would."""
    start = time.monotonic()
    program = str(Path(sys.executable).parent / "ansible-playbook")
    done = subprocess.run(
        [program, "-i", str(stack.path), *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=stack.path.parent,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


def edges(lab: Lab, *servers: str) -> list[str]:
    """The load balancers' addresses, both families of the first one."""
    names = servers or ("app1", "app2")
    return [f"http://{lab.address(name)}/" for name in names] + [f"http://[{lab.address(names[0], 'v6')}]/"]


@dataclass
class Ended:
    """A task that ended: when it was told to (Unix seconds), and how long after that it accepted each late request."""

    told: float
    late: list[float]


def ended(lab: Lab, since: str) -> dict[str, Ended]:
    """The tasks of the shop that ended since then, by their containers' names.

    Health checks don't count as requests: the engine goes on with them until the container is gone, and no visitor
    waits for one.
    """
    found = {}
    for server in ("app1", "app2", "app3"):
        listing = ("docker", "ps", "-a", "-f", "label=com.docker.swarm.service.name=shop_web", "-f", "status=exited")
        for name in lab.on(server, *listing, "--format", "{{.Names}}").stdout.split():
            lines = lab.on(server, "docker", "logs", "--since", since, name).stdout.splitlines()
            events = [json.loads(line) for line in lines]
            # One that was told before ``since`` may have ended after it.
            if {"sigterm", "exit"} <= {event["event"] for event in events}:
                told = next(event["at"] for event in events if event["event"] == "sigterm")
                asked = [event for event in events if event["event"] == "request" and " /healthz " not in event["line"]]
                late = [round(event["accepted"] - told, 3) for event in asked if event["accepted"] > told]
                found[name] = Ended(told, late)
    return found


def accepted_late(lab: Lab, since: str) -> list[list[float]]:
    """For each task of the shop that ended since then: how long after its SIGTERM it accepted requests, in seconds."""
    return [task.late for task in ended(lab, since).values()]
