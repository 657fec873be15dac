# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that look and reach into services, on one real server (the lab's app1)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LAB = [sys.executable, str(ROOT / "molecule" / "shared" / "lab")]
NAME = os.environ.get("LAB", "test")
LONGSHORE = str(Path(sys.executable).parent / "longshore")
SECRET = "correct-horse-77"
# Counts for ever, slowly enough to be followed.
TICK = "i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.2; done"


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    end = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.2)


class Shop:
    """A stack of one service on one server, with a state directory of its own."""

    def __init__(self, directory: Path) -> None:
        done = subprocess.run([*LAB, "status", "--name", NAME, "--json"], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(done.stderr)
        lab = json.loads(done.stdout)
        host = lab["hosts"]["app1"]
        self.state = directory / "state"
        self.path = directory / "stack.yml"
        self.content: dict[str, Any] = {
            "plugin": "longshore.stack.stack",
            "name": "climb",
            "ssh": {"user": "root", "key": lab["key"], "known_hosts": lab["known_hosts"]},
            "servers": {
                "app1": {"address": host["public"]["v4"], "private_address": host["private"]["v4"], "tags": ["app"]}
            },
            "docker": {
                "registry_mirrors": ["http://mirror.lab:5000"],
                "insecure_registries": ["mirror.lab:5000"],
            },
            "secrets": {"a-word": {"env": "CLIMB_WORD"}},
            "services": {
                "web": {
                    "image": "python:3.13-slim",
                    "command": ["sh", "-c", TICK],
                    # The lab's Swarm may have more servers than this stack.
                    "placement": {"tags": ["app"]},
                    "environment": {
                        "WORD": "{{ secrets.a-word }}",
                        "PLAIN": "seen",
                        "BRACES": "{{ '{{' }} x }}",
                    },
                    "update": {"monitor": "1s", "deadline": "120s"},
                },
                # Nobody can read its log.
                "mute": {
                    "image": "python:3.13-slim",
                    "command": ["sleep", "infinity"],
                    "placement": {"tags": ["app"]},
                    "logging": {"driver": "none"},
                    "stop_grace_period": "1s",
                    "update": {"monitor": "1s", "deadline": "120s"},
                },
            },
        }
        self.write()

    def write(self) -> None:
        self.path.write_text(yaml.safe_dump(self.content, sort_keys=False))

    def environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.state), "CLIMB_WORD": SECRET}

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [LONGSHORE, "-f", str(self.path), *words]
        return subprocess.Popen(
            command, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [LONGSHORE, "-f", str(self.path), *words]
        return subprocess.run(
            command, env=self.environment(), input=given, capture_output=True, text=True, timeout=600, check=False
        )

    def info(self) -> dict[str, Any]:
        done = self.run("status", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["data"]["stack_info"]
        return found


def on_server(*words: str) -> str:
    command = [*LAB, "ssh", "--name", NAME, "app1", "--", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The stack, deployed; removed afterwards."""
    made = Shop(tmp_path_factory.mktemp("cli"))
    done = made.run("up", "--reason", "a try")
    assert done.returncode == 0, done.stdout + done.stderr
    yield made
    gone = made.run("destroy", "--yes-destroy", "climb")
    assert gone.returncode == 0, gone.stdout + gone.stderr


def test_a_plan_after_up_is_empty(shop: Shop) -> None:
    done = shop.run("plan")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "No changes.")


def test_a_plan_names_the_field_and_hides_the_secret(shop: Shop) -> None:
    before = dict(shop.content["services"]["web"]["environment"])
    shop.content["services"]["web"]["environment"]["PLAIN"] = "changed"
    shop.write()
    try:
        done = shop.run("plan", "--diff", "-v")
    finally:
        shop.content["services"]["web"]["environment"] = before
        shop.write()
    assert done.returncode == 2, done.stdout
    assert "environment.PLAIN  seen → changed" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_status_ps_and_releases_tell_what_runs(shop: Shop) -> None:
    assert "web      1/1" in shop.run("status").stdout
    assert re.search(r"^web\.1 +app1 +running", shop.run("ps").stdout, re.MULTILINE)
    assert "a try" in shop.run("releases").stdout


def test_logs_are_followed_and_leave_nothing_behind(shop: Shop) -> None:
    process = shop.start("logs", "-f", "--tail", "1", "web")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(5)]
    assert all(line.startswith("web.1@app1 | tick ") for line in lines), lines
    numbers = [int(line.split()[-1]) for line in lines]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    until(lambda: "docker logs" not in on_server("ps", "-eo", "args"), 20, "nothing of it is left on the server")


def test_a_log_that_cannot_be_read_is_a_failure(shop: Shop) -> None:
    done = shop.run("logs", "mute")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "mute.1@app1: " in done.stderr
    assert "does not support reading" in done.stderr
    told = json.loads(shop.run("logs", "mute", "--json").stdout.splitlines()[-1])
    assert (told["status"], told["exit_code"]) == ("failed", 1)


def test_a_missing_secret_stops_a_run_before_anything_is_touched(shop: Shop) -> None:
    words = [LONGSHORE, "-f", str(shop.path), "deploy"]
    environment = {name: value for name, value in shop.environment().items() if name != "CLIMB_WORD"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done.stdout
    assert "secrets.a-word: the environment variable CLIMB_WORD is not set" in done.stdout
    assert shop.run("plan").returncode == 0


def test_exec_has_the_secrets_and_gives_the_exit_code(shop: Shop) -> None:
    done = shop.run("exec", "web", "--", "sh", "-c", "echo $WORD $PLAIN $BRACES; exit 7")
    assert (done.returncode, done.stdout.strip()) == (7, f"{SECRET} seen {{{{ x }}}}")


def test_exec_as_json(shop: Shop) -> None:
    done = shop.run("exec", "--json", "web", "--", "sh", "-c", "cat; echo bad >&2; exit 7", given="one\ntwo")
    *lines, result = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["text"] for line in lines if line["stream"] == "stdout"] == ["one", "two"]
    assert [line["text"] for line in lines if line["stream"] == "stderr"] == ["bad"]
    assert (done.returncode, result["exit_code"], result["status"]) == (7, 7, "failed")
    assert on_server("docker", "inspect", "--format", "{{.State.Running}}", result["container"]).strip() == "true"


def test_run_has_the_secrets_and_leaves_no_service_and_no_log(shop: Shop) -> None:
    done = shop.run("run", "web", "--", "sh", "-c", "echo $WORD")
    assert done.returncode == 0, done.stdout
    assert f"[app1] {SECRET}" in done.stdout
    failed = shop.run("run", "web", "sh", "-c", "echo bad; exit 3")
    assert failed.returncode == 1
    assert "it ended with exit code 3" in failed.stdout
    assert on_server("docker", "service", "ls", "--format", "{{.Name}}").split().count("climb_web") == 1
    assert "--run-" not in on_server("docker", "service", "ls", "--format", "{{.Name}}")


@pytest.mark.long
def test_ctrl_c_in_a_one_off_ends_it_on_the_server(shop: Shop) -> None:
    process = shop.start("run", "web", "sleep", "987")
    until(lambda: "sleep 987" in on_server("ps", "-eo", "args"), 90, "it runs")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 130, output
    until(lambda: "sleep 987" not in on_server("ps", "-eo", "args"), 30, "it has ended")
    assert shop.info()["lock"] == {}


def test_no_secret_is_in_what_runs_leave_behind(shop: Shop) -> None:
    files = [path for path in shop.state.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
