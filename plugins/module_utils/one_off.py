# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``before_deploy``: a command that runs once, on the new image, with all that the service has.

Private to the collection. It runs as a Swarm job, so it is placed like the service, and a killed run leaves a job that
the next run finds, waits for and takes over: the command never runs twice at a time. A job that was removed may still
run for its grace period, which is waited for too.
"""

from __future__ import annotations

import calendar
import contextlib
import time
from copy import deepcopy

from ansible_collections.longshore.stack.plugins.module_utils import explain, placement
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.service_spec import SECOND
from ansible_collections.longshore.stack.plugins.module_utils.spec_diff import same_task
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import STACK, patient
from ansible_collections.longshore.stack.plugins.module_utils.watch import ENDED, GRACE, NO_PLACE_PATIENCE, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

JOB, OF = "longshore.job", "longshore.job.of"
POLL = 0.4
# How much longer than its grace period a removed command may take to end; seconds.
END_MARGIN = 30.0
# A command's end is read by the run that began it within moments; only a dead run leaves it for so long; seconds.
LEFT_OVER = 300.0


class BeforeDeployFailed(Exception):
    """The command failed; the message is the whole explanation."""


def job_name(stack: str, service: str) -> str:
    """The job's Swarm name: at most 63 characters, no name that a service of the stack can have."""
    return f"{stack}_{service}--before"


def job_spec(
    stack: str, service: str, spec: Mapping[str, Any], command: Mapping[str, list[str] | None], edge: str
) -> dict[str, Any]:
    """The job's spec from the service's bound ``spec``. ``command`` has the ``Command`` and ``Args`` that take the
    place of the service's; ``edge`` is the identifier of the network that only serving tasks join."""
    template = deepcopy(dict(spec["TaskTemplate"]))
    template.pop("ForceUpdate", None)
    container = template["ContainerSpec"]
    container.update(command)
    container["Healthcheck"] = {"Test": ["NONE"]}
    container["Labels"] = {STACK: stack, JOB: "before_deploy", OF: service}
    template["RestartPolicy"] = {"Condition": "none"}
    # Without the service's aliases: nobody may reach the job under its name.
    template["Networks"] = [
        {"Target": net["Target"]} for net in template.get("Networks") or [] if net["Target"] != edge
    ]
    return {
        "Name": job_name(stack, service),
        "Labels": {STACK: stack, JOB: "before_deploy"},
        "TaskTemplate": template,
        "Mode": {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}},
        "EndpointSpec": {"Mode": "dnsrr"},
    }


class Job:
    """One service's command on its way. ``poll()`` until it says True."""

    def __init__(
        self, place: explain.Place, writer: Writer, run: Run, service: str, *, spec: Mapping[str, Any], deadline: float
    ) -> None:
        self._place = place
        self._docker = place.docker
        self._writer = writer
        self._run = run
        self._service = service
        self._spec = spec
        self._deadline = deadline
        self._step: Callable[[], None] | None = self._find
        self._old: Mapping[str, Any] = {}
        self._identifier = ""
        self._until = 0.0
        self._unplaced = 0.0

    @property
    def ended(self) -> bool:
        """Whether it has ended well."""
        return self._step is None

    def poll(self) -> bool:
        """Do what is due; whether the command has ended well. Raises ``BeforeDeployFailed``."""
        self._run.check()
        if self._step is not None:
            try:
                self._step()
            except DockerError as error:
                raise BeforeDeployFailed(
                    f"service {self._service} (before_deploy): the Docker engine refused it\n  why: {error.message}"
                ) from error
        return self.ended

    def finish(self) -> None:
        """Poll to the end. Raises ``BeforeDeployFailed``."""
        while not self.poll():
            self._run.wait(POLL)

    def abandon(self) -> None:
        """End what is under way. Not through the writer: a cancelled run may not write any more, but has to clean
        up."""
        if self._step is not None and self._identifier:
            with contextlib.suppress(DockerError):
                self._docker.delete(f"/services/{self._identifier}")

    def _find(self) -> None:
        found = self._docker.get("/services", filters={"name": [self._spec["Name"]]})
        self._old = next((one for one in found if one["Spec"]["Name"] == self._spec["Name"]), {})
        if not self._old:
            self._await_end(GRACE)
            return
        self._run.progress(f"{self._service}: before_deploy of an earlier run is there; waiting for its end")
        self._identifier = self._old["ID"]
        self._until = time.monotonic() + self._deadline
        self._step = self._see_old

    def _see_old(self) -> None:
        ended, failure = self._judge()
        if not ended:
            return
        template = self._old["Spec"]["TaskTemplate"]
        self._remove()
        if failure is None and same_task(template, self._spec["TaskTemplate"]):
            self._step = None
            return
        grace = template["ContainerSpec"].get("StopGracePeriod")
        self._await_end(GRACE if grace is None else grace / SECOND)

    def _await_end(self, grace: float) -> None:
        self._until = time.monotonic() + grace + END_MARGIN
        self._step = self._see_end
        self._see_end()

    def _see_end(self) -> None:
        """Begin as soon as no container of an earlier job runs any more: it outlives its job by its grace period."""
        left = self._left()
        if not left:
            self._run.progress(f"{self._service}: before_deploy begins")
            self._identifier = self._writer.create_service(self._spec)
            self._until = time.monotonic() + self._deadline
            self._step = self._see_own
        elif time.monotonic() > self._until:
            servers = placement.server_names(self._place.stack, self._place.nodes)
            where = ", ".join(sorted({servers.get(task["NodeID"], "?") for task in left}))
            raise BeforeDeployFailed(
                f"service {self._service} (before_deploy): the command of an earlier run does not end on {where}\n"
                "  what to do: end its container there, and deploy again"
            )

    def _left(self) -> list[dict[str, Any]]:
        """The tasks of the service's earlier jobs whose containers may still run."""
        tasks = patient(lambda: self._docker.get("/tasks"))
        mine = [task for task in tasks if task.get("NodeID") and task["Status"]["State"] not in ENDED]
        mine = [task for task in mine if self._is_of_mine(task)]
        if not mine:
            return []
        gone = placement.gone(self._docker.get("/nodes"))
        return [task for task in mine if task["NodeID"] not in gone]

    def _is_of_mine(self, task: Mapping[str, Any]) -> bool:
        labels = ((task.get("Spec") or {}).get("ContainerSpec") or {}).get("Labels") or {}
        return {name: labels.get(name) for name in (STACK, JOB, OF)} == {
            STACK: self._place.stack,
            JOB: "before_deploy",
            OF: self._service,
        }

    def _see_own(self) -> None:
        ended, failure = self._judge()
        if not ended:
            return
        if failure is None:
            self._run.progress(f"{self._service}: before_deploy done")
            self._step = None
            self._remove()
            return
        text = explain.explain(self._place, f"{self._service} (before_deploy)", failure, self._spec)
        with contextlib.suppress(DockerError):
            self._remove()
        raise BeforeDeployFailed(text)

    def _remove(self) -> None:
        self._writer.remove(f"/services/{self._identifier}")
        self._identifier = ""

    def _judge(self) -> tuple[bool, Failure | None]:
        """Whether the job has ended, and badly."""
        identifier = self._identifier
        tasks = patient(lambda: self._docker.get("/tasks", filters={"service": [identifier]}))
        task = max(tasks, key=lambda one: str(one["CreatedAt"]), default=None)
        state = task["Status"]["State"] if task else ""
        now = time.monotonic()
        if state == "complete":
            return True, None
        if state in ENDED:
            return True, Failure("failed", task)
        waits = bool(task and state == "pending" and task["Status"].get("Err"))
        self._unplaced = (self._unplaced or now) if waits else 0.0
        if self._unplaced and now - self._unplaced >= NO_PLACE_PATIENCE:
            return True, Failure("no_place", task)
        if now > self._until:
            return True, Failure("deadline", task)
        return False, None


def sweep(docker: Docker, writer: Writer, run: Run, state: State) -> None:
    """Remove the stack's jobs that dead runs have left, as soon as they have ended; those of ``longshore run`` only
    when nobody can be about to read their end."""
    if not state.jobs:
        return
    tasks = patient(lambda: docker.get("/tasks"))
    for name, job in sorted(state.jobs.items()):
        mine = [task for task in tasks if task["ServiceID"] == job["ID"]]
        if any(task["Status"]["State"] not in ENDED for task in mine):
            run.progress(f"{name}: left by an earlier run, still runs; it is removed when it has ended")
            continue
        last = max((str(task["Status"].get("Timestamp", "")) for task in mine), default=str(job["CreatedAt"]))
        if job["Spec"]["Labels"][JOB] == "before_deploy" or time.time() - _seconds(last) > LEFT_OVER:
            writer.remove(f"/services/{job['ID']}")


def _seconds(stamp: str) -> float:
    try:
        return float(calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        return 0.0
