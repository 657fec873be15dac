# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenario's tests share: requests from the client, the scenario's play, and waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SCENARIO = Path(__file__).resolve().parents[1]
ROOT = SCENARIO.parents[1]
LAB = os.environ.get("LAB", "lab")
# One connection for each request; the answers as JSON.
_ASK = """
import http.client, json, sys
found = []
for address, host, method, path, headers, body in json.load(sys.stdin):
    connection = http.client.HTTPConnection(address, 80, timeout=30)
    connection.request(method, path, body and body.encode(), {"Host": host, **headers})
    answer = connection.getresponse()
    found.append([answer.status, answer.read().decode()])
    connection.close()
print(json.dumps(found))
"""


class Request(NamedTuple):
    """What is asked for; a body is text."""

    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


def form(path: str, **fields: str) -> Request:
    """A form that is sent."""
    from urllib.parse import urlencode  # noqa: PLC0415 - no other test needs it

    return Request(path, "POST", (("Content-Type", "application/x-www-form-urlencoded"),), urlencode(fields))


def document(path: str, value: Any, method: str = "POST") -> Request:
    """A JSON document that is sent."""
    return Request(path, method, (("Content-Type", "application/json"),), json.dumps(value))


class Client:
    """The host outside."""

    def __init__(self, described: dict[str, Any]) -> None:
        self.container = described["hosts"]["client"]["container"]
        self.own: dict[str, str] = described["hosts"]["client"]["public"]
        self.server: dict[str, str] = described["hosts"]["app1"]["public"]

    def run(self, *words: str, stdin: str = "") -> str:
        command = ["docker", "exec", "-i", self.container, *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout

    def ask(self, host: str, *requests: Request, family: str = "v4") -> list[tuple[int, str]]:
        """Status and body of each answer."""
        wanted = [
            [self.server[family], host, each.method, each.path, {"User-Agent": "Mozilla/5.0", **dict(each.headers)},
             each.body]
            for each in requests
        ]  # fmt: skip
        return [
            (status, text) for status, text in json.loads(self.run("python3", "-c", _ASK, stdin=json.dumps(wanted)))
        ]

    def statuses(self, host: str, *requests: Request) -> list[int]:
        return [status for status, _text in self.ask(host, *requests)]


def lab(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "molecule/shared/lab"), *words], check=True, capture_output=True, text=True
    )
    return done.stdout


def converge(*options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run the scenario's play; what it says is JSON in standard output."""
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i", str(ROOT / "molecule/inventory/lab.py"), str(SCENARIO / "converge.yml"),
        "-e", json.dumps(variables), *options,
    ]  # fmt: skip
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "LAB": LAB}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / ".ansible/collections")
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
    return found
