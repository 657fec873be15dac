# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that converge a stack, on a Swarm of three servers: what works, what fails and why, who may write.

On a lab of its own, named by the variable LAB (default ``services``); it is removed afterwards unless LAB_KEEP is set.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = os.environ.get("LAB", "services")
SERVERS = ("app1", "app2", "app3")
HELPER = "/usr/lib/longshore/helper/1"
DAEMON = {"registry-mirrors": ["http://mirror.lab:5000"], "insecure-registries": ["mirror.lab:5000"]}
SERVE = ["python", "-m", "http.server", "3000"]
CHECK = {"http": "/", "tcp": None, "port": 3000, "interval": 1.0, "timeout": 4.0, "retries": 3, "start_period": 5.0}
UPDATE = {
    "order": "start-first",
    "parallelism": 2,
    "delay": 0.0,
    "monitor": 2.0,
    "deadline": 180.0,
    "on_failure": "rollback",
}
WEB: dict[str, Any] = {
    "name": "web",
    "image": "python:3.13-slim",
    "build": None,
    "command": SERVE,
    "entrypoint": None,
    "environment": {"VERSION": "1"},
    "secret_environment": [],
    "secrets": [],
    "configs": [],
    "healthcheck": CHECK,
    "mode": "replicated",
    "replicas": 3,
    "placement": {"tags": ["app"], "constraints": [], "max_per_server": None},
    "resources": {"limits": {}, "reservations": {}},
    "update": UPDATE,
    "restart": {"condition": "any", "delay": 1.0, "max_attempts": None, "window": None},
    "stop_grace_period": 2.0,
    "stop_signal": "SIGKILL",
    "init": None,
    "user": None,
    "working_dir": None,
    "hostname": None,
    "labels": {},
    "cap_add": [],
    "cap_drop": [],
    "sysctls": {},
    "ulimits": {"nofile": {"soft": 1024, "hard": 2048}},
    "dns": [],
    "dns_search": [],
    "extra_hosts": ["db:192.0.2.1"],
    "read_only": False,
    "tty": False,
    "stdin_open": False,
    "logging": {"driver": "json-file", "options": {"max-size": "1m"}},
    "volumes": [
        {"type": "tmpfs", "source": None, "target": "/scratch", "read_only": False, "size": 1048576, "mode": 448}
    ],
    "networks": {"default": {"aliases": ["www"]}},
    "ports": [],
    "expose": [],
    "routes": [{"host": "shop.example", "path": "/", "port": 3000, "sticky": False}],
    "depends_on": {},
    "before_deploy": None,
    "endpoint_mode": "dnsrr",
}


def lab(*words: str, check: bool = True, given: str | None = None) -> str:
    command = [sys.executable, str(ROOT / "molecule/shared/lab"), *words]
    return subprocess.run(command, check=check, capture_output=True, text=True, input=given).stdout


def on(host: str, *words: str, check: bool = True, given: str | None = None) -> str:
    return lab("ssh", "--name", NAME, host, "--", *words, check=check, given=given)


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.25)
    return found


def state(host: str) -> str:
    return on(host, "docker", "info", "-f", "{{.Swarm.LocalNodeState}}").strip()


@pytest.fixture(scope="module", autouse=True)
def swarm() -> Iterator[None]:
    """Three servers in one Swarm, with the helper and a cluster key."""
    found: dict[str, Any] = json.loads(lab("up", "--name", NAME, "--servers", "3", "--json"))
    for host in SERVERS:
        on(host, "mkdir", "-p", "/etc/docker", HELPER, "/etc/longshore/cluster")
        on(host, "tee", "/etc/docker/daemon.json", given=json.dumps(DAEMON))
        packages = ("docker.io", "docker-cli", "iptables", "busybox-static")
        on(host, "apt-get", "install", "-y", "--no-install-recommends", *packages)
        on(host, "cp", "/bin/busybox", HELPER)
        for script in ("run", "check"):
            content = (ROOT / "roles/docker_host/files/helper" / script).read_text()
            on(host, "tee", f"{HELPER}/{script}", given=content)
        on(host, "tee", "/etc/longshore/cluster/cluster.key", given="the same on all managers")
    private = found["hosts"]["app1"]["private"]["v4"]
    if state("app1") != "active":
        on("app1", "docker", "swarm", "init", "--advertise-addr", private)
        token = on("app1", "docker", "swarm", "join-token", "-q", "manager").strip()
        for host in SERVERS[1:]:
            # It goes on joining when it takes longer than the client waits for it.
            on(host, "docker", "swarm", "join", "--token", token, f"{private}:2377", check=False)
            until(lambda host=host: state(host) == "active", 120, f"{host} is in the Swarm")  # type: ignore[misc]
    for host in SERVERS:
        labels = (
            "--label-add",
            "longshore.shop.member=true",
            "--label-add",
            "longshore.shop.tag.app=true",
            "--label-add",
            f"longshore.shop.server={host}",
        )
        command = ("docker", "node", "update", *labels, host)
        # Managers that have just joined may be choosing a leader.
        until(lambda words=command: on("app1", *words, check=False), 60, f"{host} has its labels")  # type: ignore[misc]
    yield
    if not os.environ.get("LAB_KEEP"):
        lab("down", "--name", NAME)


def start(module: str, *options: str, **parameters: Any) -> subprocess.Popen[str]:
    """The module on app1, in the background."""
    hidden = parameters.pop("hidden", None)
    if hidden:
        parameters["secrets"] = base64.b64encode(json.dumps(hidden).encode()).decode()
    run = {"id": parameters.pop("run", f"t{time.time_ns()}"), "owner": "ann", "reason": "a test"}
    given = {"stack": "shop", "run": run, **parameters}
    return subprocess.Popen(
        [
            *(str(Path(sys.executable).parent / "ansible"), "app1", "-i", str(ROOT / "molecule/inventory/lab.py")),
            *("-m", f"longshore.stack.{module}", "-a", json.dumps(given), *options),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "LAB": NAME,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
        },
    )


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the module said."""
    output, errors = process.communicate(timeout=300)
    assert "{" in output, errors
    plays = json.loads(output[output.index("{\n") :])["plays"]
    found: dict[str, Any] = plays[0]["tasks"][-1]["hosts"]["app1"]
    return found


def call(module: str, *options: str, **parameters: Any) -> dict[str, Any]:
    return result(start(module, *options, **parameters))


def web(**changes: Any) -> dict[str, Any]:
    service = deepcopy(WEB)
    for key, value in changes.items():
        service[key] = {**service[key], **value} if isinstance(value, dict) and service[key] else value
    return service


def deploy(*services: dict[str, Any], options: tuple[str, ...] = (), **parameters: Any) -> dict[str, Any]:
    named = {service["name"]: service for service in services}
    networks = {"default": {"attachable": True}}
    return call("stack_services", *options, services=named, networks=networks, **parameters)


def info(subset: str) -> Any:
    return call("stack_info", subset=[subset])[subset]


@pytest.fixture
def running() -> str:
    """Version 1 of the web service runs; how its containers are specified."""
    done = deploy(web())
    assert not done.get("failed"), done
    return version()


def version() -> str:
    return on("app1", "docker", "service", "inspect", "-f", "{{json .Spec.TaskTemplate.ContainerSpec}}", "shop_web")


def test_first_predicts_creates_and_second_changes_nothing() -> None:
    call("stack_remove", run="begin")
    for host in SERVERS:
        labels = (
            "--label-add",
            "longshore.shop.member=true",
            "--label-add",
            "longshore.shop.tag.app=true",
            "--label-add",
            f"longshore.shop.server={host}",
        )
        on("app1", "docker", "node", "update", *labels, host)
    predicted = deploy(web(), options=("--check", "--diff"))
    assert on("app1", "docker", "service", "ls", "-q").split() == []
    made = deploy(web(), options=("--diff",))
    assert made["changes"] == predicted["changes"]
    assert made["diff"] == predicted["diff"]
    assert made["services"]["web"]["running"] == 3
    again = deploy(web())
    assert again["changed"] is False, again["changes"]
    assert again["release"] == made["release"] | {"new": False}


def test_drift_is_repaired(running: str) -> None:
    on("app1", "docker", "service", "update", "-q", "--env-add", "EVIL=1", "--limit-memory", "64M", "shop_web")
    repaired = deploy(web())
    paths = [field["path"] for change in repaired["changes"] for field in change["fields"]]
    assert paths == ["environment.EVIL", "resources.limits.MemoryBytes"]
    assert version() == running


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({"placement": {"tags": ["gpu"]}}, ["no server has tag gpu"]),
        (
            {
                "command": ["python", "-c", "x = bytearray(200000000); input()"],
                "resources": {"limits": {"memory": 33554432}},
            },
            ["memory", "32M"],
        ),
    ],
    ids=["place", "memory"],
)
def test_bad_version_is_explained_and_taken_back(running: str, change: dict[str, Any], causes: list[str]) -> None:
    failed = deploy(web(**change))
    assert failed["failed"]
    for cause in causes:
        assert cause in failed["msg"]
    assert "Gone back: web runs as before." in failed["msg"]
    assert version() == running
    assert info("services")["web"]["running"] == 3
    assert deploy(web())["changes"] == []


def test_refused_change_is_named_and_takes_the_others_back(running: str) -> None:
    api = {**web(), "name": "api", "routes": [], "replicas": 2}
    assert not deploy(web(), api).get("failed")
    # Docker has no such port for services that are found by DNS.
    port = {"target": 3000, "published": 8080, "protocol": "tcp", "mode": "ingress"}
    failed = deploy({**api, "environment": {"VERSION": "2"}}, web(ports=[port]))
    assert "service web: the Docker engine refused it" in failed["msg"]
    assert "dnsrr" in failed["msg"]
    assert "Gone back: api, web run as before." in failed["msg"]
    assert version() == running
    assert deploy(web(), api)["changed"] is False
    deploy(web())


@pytest.mark.long
def test_what_waits_for_a_server_that_is_away_is_degraded(running: str) -> None:
    spread = web(placement={"max_per_server": 1}, update={"order": "stop-first", "parallelism": 1})
    assert not deploy(spread).get("failed")
    on("app1", "docker", "node", "update", "--availability", "drain", "app3")
    try:
        done = deploy({**spread, "environment": {"VERSION": "2"}})
        assert not done.get("failed"), done
        assert "app3" in done["degraded"]["web"]
        assert done["notices"]
        assert sum(task["state"] == "running" for task in info("tasks")) == 2
    finally:
        on("app1", "docker", "node", "update", "--availability", "active", "app3")
    until(lambda: info("services")["web"]["running"] == 3, 120, "the third task runs on app3")
    again = deploy({**spread, "environment": {"VERSION": "2"}})
    assert again["changed"] is False
    assert again["notices"] == []


def test_another_placement_that_tasks_meet_already(running: str) -> None:
    def tasks() -> set[str]:
        return {task["id"] for task in info("tasks") if task["wanted"] == "running"}

    before = tasks()
    done = deploy(web(placement={"max_per_server": 3}))
    assert not done.get("failed"), done
    assert tasks() == before


@pytest.mark.long
def test_secrets_reach_the_process_and_nothing_else(running: str) -> None:
    names = {"secret_environment": ["PASSWORD"], "user": "1000"}
    hidden = {"environment": {"web": {"PASSWORD": "it's a\nsecret"}}}
    done = deploy(web(**names), hidden=hidden, options=("--diff",))
    assert not done.get("failed"), done
    assert "it's a" not in json.dumps(done)
    inspect = on("app1", "docker", "service", "inspect", "shop_web")
    assert "it's a" not in inspect
    task = next(task for task in info("tasks") if task["state"] == "running")
    pid = on(task["server"], "docker", "inspect", "-f", "{{.State.Pid}}", task["container"]).strip()
    assert "PASSWORD=it's a\nsecret\0" in on(task["server"], "cat", f"/proc/{pid}/environ")
    assert deploy(web(**names), hidden=hidden)["changed"] is False
    other = {"environment": {"web": {"PASSWORD": "another"}}}
    changed = deploy(web(**names), hidden=other)
    assert [change["kind"] for change in changed["changes"]] == ["secret", "service"]
    back = call("stack_release")
    assert not back.get("failed"), back
    assert deploy(web(**names), hidden=hidden)["changed"] is False


def test_before_deploy_runs_once_and_stops_the_release_when_it_fails(running: str) -> None:
    failed = deploy(web(environment={"VERSION": "2"}, before_deploy=["sh", "-c", "echo no such table; exit 4"]))
    assert "no such table" in failed["msg"]
    assert "Nothing was changed" in failed["msg"]
    assert version() == running
    done = deploy(web(environment={"VERSION": "2"}, before_deploy=["sh", "-c", "echo migrated; exit 0"]))
    assert not done.get("failed"), done
    assert on("app1", "docker", "service", "ls", "--format", "{{.Name}}").split() == ["shop_web"]


def test_services_start_in_order_and_leave_when_no_longer_named(running: str) -> None:
    api = {**web(), "name": "api", "routes": [], "replicas": 1}
    first = web(depends_on={"api": {"condition": "service_healthy"}}, environment={"VERSION": "3"})
    done = deploy(first, api)
    assert not done.get("failed"), done
    tasks = {
        name: [t for t in info("tasks") if t["service"] == name and t["state"] == "running"] for name in ("api", "web")
    }
    assert max(task["since"] for task in tasks["api"]) < min(task["since"] for task in tasks["web"])
    gone = deploy(web())
    assert ("service", "api", "remove") in [(one["kind"], one["name"], one["action"]) for one in gone["changes"]]


@pytest.mark.long
def test_scale_stop_start_and_what_a_deploy_keeps(running: str) -> None:
    assert call("stack_scale", services={"web": "+2"})["services"]["web"]["running"] == 5
    assert deploy(web())["changed"] is False
    assert call("stack_scale", services={"web": ""}, state="stopped")["services"]["web"]["running"] == 0
    assert deploy(web())["changed"] is False
    assert call("stack_scale", services={"web": ""}, state="started")["services"]["web"]["running"] == 5
    assert deploy(web(replicas=2))["services"]["web"]["running"] == 2
    refused = call("stack_scale", services={"web": "-2", "wab": "1"})
    assert "wab" in refused["msg"]
    assert "at least 1" in refused["msg"]


def locked() -> Any:
    return info("lock")


def test_lock_is_given_back_for_a_module_that_is_gone(running: str) -> None:
    run = f"cancel{time.time_ns()}"
    call("stack_lock", run=run)
    assert locked()["run"] == run
    assert call("stack_lock", state="released", run=run)["changed"]
    assert not locked()


def test_remove_leaves_nothing_and_is_idempotent(running: str) -> None:
    assert call("stack_remove")["changed"]
    for kind in ("service", "secret", "config"):
        assert on("app1", "docker", kind, "ls", "-q").split() == []
    listing = ("docker", "network", "ls", "--format", "{{.Name}}")
    until(lambda: "shop" not in on("app1", *listing), 60, "the servers' parts of the networks are gone")
    assert call("stack_remove")["changed"] is False
