# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when a run, or a server, dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

from .support import LONGSHORE, Lab, StackFile, longshore, until
from .test_deploy import HOST, running

KILLS = int(os.environ.get("LONGSHORE_KILLS", "1"))


def start(shop: StackFile, *words: str) -> subprocess.Popen[str]:
    """A run in the background."""
    return subprocess.Popen(
        [str(LONGSHORE), words[0], "-f", str(shop.path), *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def left_over() -> list[str]:
    """Processes of runs on this machine."""
    found = subprocess.run(["pgrep", "-af", "ansible-playbook"], capture_output=True, text=True, check=False)
    return [line for line in found.stdout.splitlines() if "pgrep" not in line]


@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_run_is_finished_by_the_next(lab: Lab, shop: StackFile, seed: int) -> None:
    with shop.changed(lambda content: content["services"]["web"]["environment"].update(KILL=f"n{seed}")):
        process = start(shop, "up")
        # Anywhere in a run, which takes at least this long when something is to be changed.
        time.sleep(random.Random(seed).uniform(1, 12))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        until(lambda: not left_over(), 30, "no process of the killed run is left")
        done = longshore(shop, "up")
        assert done.code == 0, done.end
    assert longshore(shop, "up").code == 0


def test_two_runs_at_once(shop: StackFile) -> None:
    with shop.changed(lambda content: content["services"]["web"]["environment"].update(TWO="runs")):
        first = start(shop, "deploy", "web")
        held = until(
            lambda: longshore(shop, "status", "--json").json["data"]["stack_info"]["lock"], 60, "the lock is held"
        )
        second = longshore(shop, "scale", "web=6")
        assert second.code == 5, second.end
        assert held["run"] in second.everything
        output, _ = first.communicate(timeout=300)
        assert first.returncode == 0, output
    assert longshore(shop, "deploy", "web").code == 0


def test_ctrl_c_cancels_cleanly(lab: Lab, shop: StackFile) -> None:
    with shop.changed(lambda content: content["services"]["web"]["environment"].update(CANCEL="yes")):
        process = start(shop, "deploy", "web")
        until(lambda: longshore(shop, "status", "--json").json["data"]["stack_info"]["lock"], 60, "the lock is held")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=90)
        assert process.returncode == 130, output
        assert left_over() == []
        for server in ("app1", "app2", "app3"):
            # A module is Ansible's wrapper, which Python reads from standard input or a temporary file.
            assert "AnsiballZ" not in lab.on(server, "ps", "-eo", "args").stdout
        assert not longshore(shop, "status", "--json").json["data"]["stack_info"]["lock"]
    assert longshore(shop, "deploy", "web").code == 0


def test_lost_server_is_replaced_and_comes_back(lab: Lab, shop: StackFile) -> None:
    urls = [f"http://{lab.address(server)}/" for server in ("app1", "app2")]
    try:
        with lab.load(urls, HOST, rate=200) as report:
            lab.run("kill", "--name", lab.name, "app3")
            until(lambda: healthy_on(lab, "app1", "app2") == 6, 30, "six tasks run on the servers that are left")
        assert report["failed"] == 0, report
        degraded = longshore(shop, "up")
        assert degraded.code == 4, degraded.end
        assert "app3" in degraded.everything
    finally:
        lab.run("start", "--name", lab.name, "app3")
    until(lambda: lab.on("app3", "true", check=False).returncode == 0, 60, "app3 answers")
    until(
        lambda: (
            "Ready"
            in lab.on(
                "app1", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}", "--filter", "name=app3"
            ).stdout
        ),
        60,
        "app3 is back in the Swarm",
    )
    healed = longshore(shop, "up")
    assert healed.code == 0, healed.end
    assert running(lab, "shop_web") == 6


def healthy_on(lab: Lab, *servers: str) -> int:
    """How many healthy tasks of the web service run on these servers."""
    count = 0
    for server in servers:
        listed = lab.on(
            server, "docker", "ps", "-q", "-f", "label=com.docker.swarm.service.name=shop_web", "-f", "health=healthy"
        )
        count += len(listed.stdout.split())
    return count
