# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's Docker engine: the one that answers, or one that the lab starts."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from . import sdk
from .paths import LABS
from .report import LabError, run, say, step

PROGRAMS = {
    "dockerd": "docker.io",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "ssh-keygen": "openssh-client",
    "git": "git",
    "openssl": "openssl",
}
START_TIMEOUT = 60.0  # seconds
PID = LABS / "dockerd.pid"
LOG = LABS / "dockerd.log"
LABEL = "longshore.lab"


@functools.cache
def client() -> Any:
    """Give the SDK's client of the engine that DOCKER_HOST names, or of the machine's own."""
    return sdk.docker.from_env(timeout=300, max_pool_size=32)


def answers() -> bool:
    """Tell whether an engine answers."""
    try:
        return bool(client().ping())
    except sdk.DockerException:
        client.cache_clear()
        return False
    except OSError:
        return False


def install(*programs: str) -> None:
    """Install the packages of those programs that the machine lacks; Debian and Ubuntu only."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [PROGRAMS[name] for name in programs if not shutil.which(name, path=path)]
    if not missing:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise LabError(f"please install {' '.join(missing)}; the lab can do so only as root on Debian or Ubuntu")
    with step(f"installed {' '.join(missing)} on this machine"):
        run(["apt-get", "update", "-qq"])
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=environment)


def ensure() -> None:
    """Make an engine answer: nothing to do, or install and start one that outlives this process."""
    install("ssh-keygen", "git", "openssl")
    if answers():
        return
    if os.environ.get("DOCKER_HOST", "").startswith(("tcp:", "ssh:")):
        raise LabError(f"no engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}")
    install("dockerd", "iptables")
    if answers():  # installing the package starts it where systemd runs
        return
    if os.geteuid():
        raise LabError("no Docker engine answers, and only root can start one")
    with step("started a Docker engine"):
        start()


def start() -> None:
    """Start dockerd in a session of its own and wait until it answers."""
    LABS.mkdir(exist_ok=True)
    remove_stale_pid(Path("/var/run/docker.pid"))
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    with LOG.open("ab") as log:
        process = subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PATH": path},
        )
    deadline = time.monotonic() + START_TIMEOUT
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(LOG.read_text(errors="replace").splitlines()[-8:])
            raise LabError(f"dockerd did not start; the end of {LOG}:\n{tail}")
        time.sleep(0.2)
    PID.write_text(f"{process.pid}\n")


def remove_stale_pid(path: Path) -> None:
    """Remove the pid file of an engine that died without cleaning up, which would keep a new one from starting."""
    try:
        pid = int(path.read_text())
    except (FileNotFoundError, ValueError):
        return
    if program_of(pid) != "dockerd":
        path.unlink(missing_ok=True)


def program_of(pid: int) -> str:
    """Give the name of a running program, or an empty text."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def stop() -> None:
    """Stop the engine if it is the one that the lab started."""
    try:
        pid = int(PID.read_text())
    except (FileNotFoundError, ValueError):
        return
    if program_of(pid) == "dockerd":
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while program_of(pid) == "dockerd" and time.monotonic() < deadline:
            time.sleep(0.2)
        say("stopped the Docker engine that the lab had started")
    PID.unlink(missing_ok=True)
    client.cache_clear()


def privileged_works(image: str) -> bool:
    """Tell whether this machine lets a container be privileged."""
    container = client().containers.create(
        image, ["true"], entrypoint="", privileged=True, network_mode="none", labels={LABEL: ""}
    )
    try:
        container.start()
        container.wait()
    except sdk.APIError as error:
        if "operation not permitted" in str(error) or "caps" in str(error):
            return False
        raise
    finally:
        # One that could not be started is not removed by itself.
        container.remove(force=True)
    return True
