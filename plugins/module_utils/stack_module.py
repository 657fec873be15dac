# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules that change a stack share: parameters, the engine, the lease, and errors as results.

Private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import time

from ansible_collections.longshore.stack.plugins.module_utils.converge import ConvergeFailed
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker, DockerError
from ansible_collections.longshore.stack.plugins.module_utils.lease import Lease, LeaseLost, Locked
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN_SPEC
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import NotAManager, require_manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ansible.module_utils.basic import AnsibleModule

STACK_SPEC: dict[str, Any] = {"stack": {"type": "str", "required": True}, **RUN_SPEC}
LOCK_SPEC: dict[str, Any] = {"lock_wait": {"type": "float", "default": 0.0}}


def run_of(parameters: Mapping[str, Any]) -> Run:
    """The run of the module's parameters; outside of a run, one of its own, so that its lease is its own too."""
    run = Run.of(parameters)
    return run if run.id else Run(f"adhoc-{os.getpid()}-{time.time_ns()}", run.owner or "ansible", run.reason)


def about(run: Run) -> dict[str, str]:
    """What a release record says about the run that made it."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"run": run.id, "owner": run.owner, "reason": run.reason, "time": when}


def connect(check_mode: bool) -> Docker | None:
    """The manager's engine; None in check mode where there is no engine or no Swarm yet. Raises ``NotAManager``."""
    docker = Docker.connect()
    try:
        return require_manager(docker)
    except NotAManager as error:
        if check_mode and "worker" not in str(error):
            return None
        raise


@contextlib.contextmanager
def results(module: AnsibleModule) -> Iterator[None]:
    """Turn every way in which the work can end badly into a module result that says so.

    ``locked``, ``cancelled`` and ``lock_lost`` in the result let the caller tell these from failures.
    """
    try:
        yield
    except Locked as error:
        module.fail_json(msg=str(error), locked=error.holder)
    except Cancelled as error:
        module.fail_json(
            msg=f"stopped: {error}. What was begun is finished, or taken back, by the next run.", cancelled=True
        )
    except LeaseLost as error:
        module.fail_json(
            msg=f"stopped: {error}. What was begun is finished, or taken back, by the next run.", lock_lost=True
        )
    except (ConvergeFailed, NotAManager, ValueError) as error:
        module.fail_json(msg=str(error))
    except DockerError as error:
        module.fail_json(msg=f"the Docker engine said: {error.message}")


@contextlib.contextmanager
def held(docker: Docker, stack: str, run: Run, wait: float) -> Iterator[Lease]:
    """Hold the stack's lock."""
    lease = Lease(docker, stack, run)
    lease.take(wait)
    try:
        yield lease
    finally:
        lease.release()


@contextlib.contextmanager
def held_unless(check_mode: bool, docker: Docker, stack: str, run: Run, wait: float) -> Iterator[Lease | None]:
    """Hold the stack's lock, except in check mode, which reads only."""
    if check_mode:
        yield None
        return
    with held(docker, stack, run, wait) as lease:
        yield lease
