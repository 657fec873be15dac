# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of the role was promised."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

SCENARIO = Path(__file__).resolve().parents[1]
INVENTORY = str(SCENARIO.parent / "inventory/lab.py")
PLAIN = {**os.environ, "ANSIBLE_FORCE_COLOR": "0"}
HELPER = "/usr/lib/longshore/helper/1"
testinfra_hosts = ["ansible://app1"]


def converge(daemon: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    """Run the scenario's converge once more with other keys for daemon.json."""
    variables = json.dumps({"daemon": daemon})
    argv = ["ansible-playbook", "-i", INVENTORY, str(SCENARIO / "converge.yml"), "-e", variables, *options]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=PLAIN)


def invocation(host: Any) -> str:
    """What changes when the engine is restarted, and not when it is reloaded."""
    return str(host.check_output("systemctl show -p InvocationID --value docker.service"))


def changed(output: str) -> list[str]:
    """The tasks that changed something."""
    tasks, task = [], ""
    for line in output.splitlines():
        task = line if line.startswith("TASK") else task
        tasks += [task] if line.startswith("changed:") else []
    return tasks


def test_the_engine_runs_and_starts_with_the_server(host: Any) -> None:
    assert host.service("docker.service").is_enabled
    information = json.loads(host.check_output("docker info --format '{{json .}}'"))
    assert information["LoggingDriver"] == "local"
    assert "http://mirror.lab:5000/" in information["RegistryConfig"]["Mirrors"]


def test_installing_left_no_policy_behind(host: Any) -> None:
    assert not host.file("/usr/sbin/policy-rc.d").exists


def test_the_helper_works_in_an_empty_image(host: Any) -> None:
    host.run_expect([0], "docker network inspect bridge")
    host.run_expect([0], "tar -c -T /dev/null | docker import - molecule-empty")
    run = f"docker run --rm -v {HELPER}:/.longshore:ro --entrypoint /.longshore/busybox molecule-empty"
    assert host.check_output(f"{run} sh /.longshore/run /.longshore/busybox echo works") == "works"
    host.run_expect([0], "docker image rm molecule-empty")


def test_a_reloadable_key_costs_no_restart(host: Any) -> None:
    before = invocation(host)
    done = converge({"max-concurrent-downloads": 7, "debug": True})
    assert done.returncode == 0, done.stdout
    assert invocation(host) == before
    assert json.loads(host.check_output("docker info --format '{{json .Debug}}'")) is True
    converge({})
    assert invocation(host) == before


def test_another_key_restarts_and_is_predicted(host: Any) -> None:
    # A driver that does not know the options of the one it replaces.
    before, wanted = invocation(host), {"log-driver": "journald"}
    predicted = converge(wanted, "--check")
    assert invocation(host) == before
    done = converge(wanted)
    assert changed(predicted.stdout) == changed(done.stdout) != []
    assert invocation(host) != before
    assert host.check_output("docker info --format '{{.LoggingDriver}}'") == "journald"
    assert changed(converge(wanted).stdout) == []


def test_an_engine_that_does_not_come_back_says_why_and_comes_back_with_the_next_run(host: Any) -> None:
    # The engine's own validation does not see it.
    done = converge({"log-driver": "journald", "log-opts": {"max-size": "1m"}})
    assert done.returncode == 2
    assert "the engine of app1 does not start again" in done.stdout
    assert "max-size" in done.stdout.partition("last words")[2]
    # Until systemd starts it no more.
    host.run_expect(
        [0], "for i in $(seq 600); do systemctl is-failed -q docker.service && exit 0; sleep 0.2; done; exit 1"
    )
    done = converge({})
    assert done.returncode == 0, done.stdout
    host.run_expect([0], "docker info")


def test_what_the_engine_refuses_never_reaches_it(host: Any) -> None:
    before, content = invocation(host), host.file("/etc/docker/daemon.json").content
    done = converge({"no-such-key": 1})
    assert done.returncode == 2
    assert "left as it is" in done.stdout
    assert host.file("/etc/docker/daemon.json").content == content
    assert invocation(host) == before


def test_the_engine_is_not_exchanged_under_its_containers(host: Any) -> None:
    before = invocation(host)
    done = converge({}, "-e", "docker_host_source=docker")
    assert done.returncode == 2
    assert "the package docker.io is installed" in done.stdout
    assert changed(done.stdout) == []
    assert not host.file("/etc/apt/sources.list.d/docker.sources").exists
    assert invocation(host) == before


def test_pruning_spares_an_idle_image_that_a_kept_release_names_by_digest(host: Any) -> None:
    host.run_expect([0], "docker pull -q busybox:latest")
    digest = host.check_output("docker image inspect --format '{{index .RepoDigests 0}}' busybox:latest")
    # As image_present pulls: by digest, so that no tag leads to it.
    host.run_expect([0], f"docker image rm busybox:latest && docker pull -q {digest}")
    host.run_expect([0], f"mkdir -p /var/lib/longshore/molecule && echo {digest} >/var/lib/longshore/molecule/images")
    host.run_expect([0], "tar -c -T /dev/null | docker import --change 'LABEL nameless=1' -")
    host.run_expect([0], "/usr/bin/python3 /usr/lib/longshore/prune-images --days 0")
    assert host.check_output(f"docker image inspect --format '{{{{json .RepoTags}}}}' {digest}") == "[]"
    assert host.check_output("docker image ls --quiet --filter label=nameless") == ""
    host.run_expect([0], f"rm -r /var/lib/longshore/molecule && docker image rm {digest}")


def test_pruning_spares_what_a_kept_release_names(host: Any) -> None:
    host.run_expect([0], "docker pull -q busybox:latest && docker tag busybox:latest molecule/kept:1")
    host.run_expect([0], "docker build -q -t molecule/other:1 - <<E\nFROM busybox\nLABEL other=1\nE")
    host.run_expect(
        [0], "mkdir -p /var/lib/longshore/molecule && echo molecule/kept:1 >/var/lib/longshore/molecule/images"
    )
    host.run_expect([0], "/usr/bin/python3 /usr/lib/longshore/prune-images --days 0")
    names = host.check_output("docker image ls --format '{{.Repository}}:{{.Tag}}'").split()
    assert "molecule/kept:1" in names
    assert "molecule/other:1" not in names
    host.run_expect([0], "rm -r /var/lib/longshore/molecule && docker image rm molecule/kept:1")


def test_timers(host: Any) -> None:
    for name in ("longshore-prune", "longshore-swarm-backup"):
        assert host.service(f"{name}.timer").is_running
        assert host.run(f"systemctl start {name}.service").rc == 0
        assert host.check_output(f"systemctl show -p Result --value {name}.service") == "success"
