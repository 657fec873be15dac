# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``before_deploy``: a command that runs once, on the new image, with all that the service has.

Private to the collection. It runs as a Swarm job, so it is placed like the service, and a killed run leaves a job that
the next run finds, waits for and takes over: the command never runs twice at a time.
"""

from __future__ import annotations

import time
from copy import deepcopy

from ansible_collections.longshore.stack.plugins.module_utils import explain
from ansible_collections.longshore.stack.plugins.module_utils.spec_diff import same_task
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import STACK, patient
from ansible_collections.longshore.stack.plugins.module_utils.watch import NO_PLACE_PATIENCE, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run
    from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

JOB = "longshore.job"
POLL = 0.4


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
    container["Labels"] = {STACK: stack, JOB: "before_deploy"}
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


def run_job(
    place: explain.Place, writer: Writer, run: Run, service: str, *, spec: Mapping[str, Any], deadline: float
) -> None:
    """Run the job to its end and remove it. Raises ``BeforeDeployFailed``."""
    docker = place.docker
    found = docker.get("/services", filters={"name": [spec["Name"]]})
    old = next((one for one in found if one["Spec"]["Name"] == spec["Name"]), None)
    until = time.monotonic() + deadline
    if old is not None:
        run.progress(f"{service}: before_deploy of an earlier run is there; waiting for its end")
        ended = _wait(docker, run, old["ID"], until)
        same = same_task(old["Spec"]["TaskTemplate"], spec["TaskTemplate"])
        writer.remove(f"/services/{old['ID']}")
        if same and ended is None:
            return
    run.progress(f"{service}: before_deploy begins")
    identifier = writer.create_service(spec)
    failure = _wait(docker, run, identifier, until)
    if failure is None:
        run.progress(f"{service}: before_deploy done")
        writer.remove(f"/services/{identifier}")
        return
    text = explain.explain(place, f"{service} (before_deploy)", failure, spec)
    writer.remove(f"/services/{identifier}")
    raise BeforeDeployFailed(text)


def _wait(docker: Docker, run: Run, identifier: str, until: float) -> Failure | None:
    """None when the job ended well."""
    unplaced = 0.0
    while True:
        run.check()
        tasks = patient(lambda: docker.get("/tasks", filters={"service": [identifier]}))
        task = max(tasks, key=lambda one: str(one["CreatedAt"]), default=None)
        state = task["Status"]["State"] if task else ""
        now = time.monotonic()
        if state == "complete":
            return None
        if state in ("failed", "rejected", "shutdown", "orphaned", "remove"):
            return Failure("failed", task)
        waits = bool(task and state == "pending" and task["Status"].get("Err"))
        unplaced = (unplaced or now) if waits else 0.0
        if unplaced and now - unplaced >= NO_PLACE_PATIENCE:
            return Failure("no_place", task)
        if now > until:
            return Failure("deadline", task)
        run.wait(POLL)
