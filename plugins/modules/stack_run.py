#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_run
short_description: Run a command once, with all that a service has
version_added: 0.1.0
author:
  - The Longshore founders (@longshore)
description:
  - Runs a command in a container of its own, on the image that the service has now, with its environment, secrets,
    configs, volumes, placement and networks, as a Swarm job. The service's other containers go on.
  - Nobody reaches the container under the service's name, and it is removed when the command has ended or the run is
    cancelled.
  - What the command prints is shown as it comes.
extends_documentation_fragment:
  - longshore.stack.stack
  - longshore.stack.run
options:
  service:
    description: The service's name in the stack.
    type: str
    required: true
  command:
    description: The program and its arguments. No shell takes part.
    type: list
    elements: str
    required: true
  deadline:
    description: How many seconds the command may take.
    type: float
    default: 86400.0
attributes:
  check_mode:
    support: full
    description: Checks that the service is there, and runs nothing.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Load the example data
  longshore.stack.stack_run:
    stack: shop
    service: web
    command: [bin/load, --examples]
"""

RETURN = r"""
exit_code:
  description: The command's exit code; -1 when it has none because it never began, or was ended.
  returned: when it ran
  type: int
lines:
  description: The last lines that it printed, at most 200.
  returned: when it ran
  type: list
  elements: str
"""

import calendar
import secrets
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import one_off, placement, stack_module, swarm_state
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.explain import demultiplexed
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import helper_argv
from ansible_collections.longshore.stack.plugins.module_utils.service_spec import EDGE
from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State

POLL = 0.5
LINES_KEPT = 200
# As long as before_deploy's job waits for a server that takes it.
NO_PLACE_PATIENCE = 30.0
# So often the task's server is looked at, and for so long it may be away; seconds.
LOST_INTERVAL = 5.0
LOST_PATIENCE = 20.0
ENDED = ("complete", "failed", "rejected", "shutdown", "orphaned", "remove")


class Output:
    """What the task has printed so far: shown as it comes, the last lines kept."""

    def __init__(self, docker: Docker, run: Run) -> None:
        self._docker = docker.clone(10.0)
        self._run = run
        self._last = ""
        self._seen_at_last: list[str] = []
        self.lines: list[str] = []

    def fetch(self, task: dict[str, Any]) -> None:
        """Show what is new. An engine that cannot give the log now is asked again the next time."""
        path, since = f"/tasks/{task['ID']}/logs", unix_time(self._last) if self._last else None
        try:
            content = self._docker.raw("GET", path, stdout=True, stderr=True, timestamps=True, since=since)
        except (DockerError, OSError):
            return
        tty = (task["Spec"].get("ContainerSpec") or {}).get("TTY")
        for line in (content if tty else demultiplexed(content)).decode(errors="replace").splitlines():
            stamp, _space, text = line.partition(" ")
            self._take(stamp, text)

    def _take(self, stamp: str, text: str) -> None:
        # "since" includes its own moment, so the lines of that moment come again.
        if stamp == self._last:
            if text in self._seen_at_last:
                return
            self._seen_at_last.append(text)
        else:
            self._last, self._seen_at_last = stamp, [text]
        self.lines = [*self.lines, text][-LINES_KEPT:]
        self._run.progress(text)


def unix_time(stamp: str) -> str:
    """Docker's ``2026-01-31T14:25:01.5Z`` as ``seconds.nanoseconds``, which is what it understands itself."""
    fraction = stamp[19:].strip(".Z").ljust(9, "0")
    return f"{calendar.timegm(time.strptime(stamp[:19], '%Y-%m-%dT%H:%M:%S'))}.{fraction}"


def job(state: State, service: str, command: list[str]) -> dict[str, Any]:
    """The spec of the job. Raises ``ValueError`` when there is no such service."""
    live = state.services.get(service)
    if live is None:
        there = ", ".join(sorted(state.services)) or "none"
        raise ValueError(f"{state.stack} has no service {service} (there are: {there})")
    container = live["Spec"]["TaskTemplate"]["ContainerSpec"]
    edge = (state.networks.get(f"{state.stack}_{EDGE}") or {}).get("Id", "")
    wrapped = {"Command": helper_argv(command, container.get("Env") or []), "Args": None}
    spec = one_off.job_spec(state.stack, service, live["Spec"], wrapped, edge)
    spec["Name"] = f"{state.stack}_{service}--run-{secrets.token_hex(3)}"
    spec["Labels"][one_off.JOB] = spec["TaskTemplate"]["ContainerSpec"]["Labels"][one_off.JOB] = "run"
    return spec


def watch(docker: Docker, run: Run, identifier: str, deadline: float) -> tuple[int, str, list[str]]:
    """The job's exit code, why it has failed (else empty), and its last lines."""
    output = Output(docker, run)
    began = time.monotonic()
    lost = Lost(docker)
    while True:
        run.wait(POLL)
        tasks = docker.get("/tasks", filters={"service": [identifier]})
        task = max(tasks, key=lambda one: str(one["CreatedAt"]), default=None)
        waited = time.monotonic() - began
        if task is not None:
            status = task["Status"]
            container = status.get("ContainerStatus") or {}
            if container.get("ContainerID"):
                output.fetch(task)
            if status["State"] in ENDED:
                code = int(container.get("ExitCode") or 0) if container.get("ContainerID") else -1
                good = status["State"] == "complete"
                return (0 if good else code or -1), ("" if good else _reason(code, status)), output.lines
            if lost.is_on(task):
                return -1, "its server was lost, and with it how it ended", output.lines
            if status["State"] == "pending" and status.get("Err") and waited > NO_PLACE_PATIENCE:
                return -1, f"no server takes it: {status['Err']}", output.lines
        if waited > deadline:
            return -1, f"it was not done after {deadline:.0f} s, and was ended", output.lines


class Lost:
    """Whether a task's server is lost: of a job's task there Swarm says for a day that it runs."""

    def __init__(self, docker: Docker) -> None:
        self._docker = docker
        self._next = 0.0
        self._since: float | None = None

    def is_on(self, task: dict[str, Any]) -> bool:
        """Ask again, every now and then; true when it is gone for longer than a moment."""
        now = time.monotonic()
        if not task.get("NodeID") or now < self._next:
            return False
        self._next = now + LOST_INTERVAL
        gone = task["NodeID"] in placement.gone(swarm_state.patient(lambda: self._docker.get("/nodes")))
        self._since = (self._since or now) if gone else None
        return self._since is not None and now - self._since >= LOST_PATIENCE


def _reason(code: int, status: dict[str, Any]) -> str:
    return f"it ended with exit code {code}" if code > 0 else str(status.get("Err") or status["State"])


def run_once(module: AnsibleModule) -> dict[str, Any]:
    """Run the command and clean up; the module's result."""
    stack, service, command = module.params["stack"], module.params["service"], module.params["command"]
    run = stack_module.run_of(module.params)
    docker = stack_module.connect(check_mode=False)
    if docker is None:
        raise swarm_state.NotAManager("the Docker engine does not answer on this server")
    if not command:
        raise ValueError("there is no command to run")
    spec = job(swarm_state.read(docker, stack), service, command)
    if module.check_mode:
        return {"changed": True}
    writer = Writer(docker, stack, run.check, {})
    identifier = writer.create_service(spec)
    try:
        code, why, lines = watch(docker, run, identifier, module.params["deadline"])
    finally:
        # Not through the writer: a cancelled run may not write any more, but has to clean up.
        swarm_state.patient(lambda: docker.delete(f"/services/{identifier}"))
    result = {"changed": True, "exit_code": code, "lines": lines}
    if why:
        module.fail_json(msg=f"{service}: {' '.join(command)}: {why}", **result)
    return result


def main() -> None:
    """Run the module."""
    module = QuietModule(
        argument_spec={
            **stack_module.STACK_SPEC,
            "service": {"type": "str", "required": True},
            "command": {"type": "list", "elements": "str", "required": True},
            "deadline": {"type": "float", "default": 86400.0},
        },
        supports_check_mode=True,
    )
    with stack_module.results(module):
        module.exit_json(**run_once(module))


if __name__ == "__main__":
    main()
