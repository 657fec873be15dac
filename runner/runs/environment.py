# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of ``ansible-playbook``.

ansible-runner writes the environment that it is given into its artifacts. So it gets only what is set here; the
caller's own environment, with whatever secrets are in it, goes through a socket (supervisor.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from longshore.runs.job import Job

MARKER = "LONGSHORE_RUN_ID"
ENVIRONMENT = "LONGSHORE_ENVIRONMENT"

# ansible-runner drops a longer result silently, and its own 700,000 bytes are less than a plan of 1,000 services.
_LARGEST_RESULT = 256 * 1024 * 1024
# What ansible-runner's callback needs to find its way. Not among them: that it turns host key checking off.
_RUNNERS = ("ANSIBLE_CALLBACK_PLUGINS", "ANSIBLE_STDOUT_CALLBACK", "AWX_ISOLATED_DATA_DIR")
# `ansible-playbook` looks every millisecond whether a worker has ended: a fortieth of a core, while a server works.
CONFIGURATION = "[defaults]\ninternal_poll_interval = 0.005\n"
# Its callback takes these for numbers of AWX, and fails when a CI system uses the name.
_EMPTY = ("JOB_ID", "AD_HOC_COMMAND_ID", "PROJECT_UPDATE_ID", "ORIGINAL_STDOUT_CALLBACK", "RUNNER_OMIT_EVENTS")


def settings(job: Job, directory: Path, runners: Mapping[str, str]) -> dict[str, str]:
    """What is set for this run, over the caller's environment; ``runners`` is what ansible-runner made up.

    All that matters to us is here, so that no ``ansible.cfg`` can change it.
    """
    chosen = {
        **dict.fromkeys(_EMPTY, ""),
        **{name: runners[name] for name in _RUNNERS},
        MARKER: job.id,
        ENVIRONMENT: job.environment or "",
        "ANSIBLE_FORKS": str(job.forks),
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_INJECT_FACT_VARS": "false",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "false",
        "ANSIBLE_RETRY_FILES_ENABLED": "false",
        "MAX_EVENT_RES": str(_LARGEST_RESULT),
    }
    if "ANSIBLE_CONFIG" not in os.environ:
        # Ansible would take one from the directory of the stack file, or from the user's home.
        chosen["ANSIBLE_CONFIG"] = str(directory / "ansible.cfg")
    if job.vault_password_file is not None:
        chosen["ANSIBLE_VAULT_PASSWORD_FILE"] = str(job.vault_password_file.absolute())
    return chosen
