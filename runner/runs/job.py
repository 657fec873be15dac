# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be run."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# As module_utils/run.py has it: the id is a file name on the servers.
_RUN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


def new_run_id() -> str:
    """An id that sorts by time and that nobody else has: ``20260131-142501-3f9c1a`` (UTC)."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def operator() -> str:
    """Who runs this, for messages: ``user@host``."""
    name = os.environ.get("SUDO_USER")
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            name = str(os.getuid())
    return f"{name}@{os.uname().nodename}"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One playbook to run with one stack file.

    Attributes:
        playbook: a path, or a playbook of a collection (``longshore.stack.site``).
        stack_file: the inventory; its directory is the working directory of the run.
        environment: the overlay (``longshore -e``), None for none.
        extra_variables: handed over in a file that only the owner can read, never on the command line.
        check, diff: Ansible's modes of these names.
        limit: an Ansible host pattern, None for all.
        forks: servers worked on at the same time.
        verbosity: 0 to 4, as many ``-v``.
        vault_password_file: for values encrypted with Ansible Vault; None leaves it to ANSIBLE_VAULT_PASSWORD_FILE.
        cancel_playbook: what tells the servers that the run is cancelled (with ``longshore_cancel: mark``, and at the
            end ``release``); None when there is nobody to be told.
        log: keep the events and Ansible's own output on this machine; no, when a command may print secrets.
        id, owner, reason: the run's name on the servers (letters, digits, ``.``, ``_``, ``-``), who runs it, and why.

    Raises ValueError for an id that cannot be a file name.
    """

    playbook: str
    stack_file: Path
    environment: str | None = None
    extra_variables: Mapping[str, Any] = field(default_factory=dict)
    check: bool = False
    diff: bool = False
    limit: str | None = None
    forks: int = 20
    verbosity: int = 0
    vault_password_file: Path | None = None
    cancel_playbook: str | None = "longshore.stack.cancel"
    log: bool = True
    id: str = field(default_factory=new_run_id)
    owner: str = field(default_factory=operator)
    reason: str = ""

    def __post_init__(self) -> None:
        if not _RUN_ID.fullmatch(self.id):
            raise ValueError(f"the run id {self.id!r} must be at most 64 letters, digits, '.', '_' or '-'")

    def variables(self) -> dict[str, Any]:
        """The extra variables with ``longshore_run`` (unless given), which tells the modules what they work for."""
        return {
            "longshore_run": {"id": self.id, "owner": self.owner, "reason": self.reason},
            **self.extra_variables,
        }
