#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_backup
short_description: Backups of databases, on the server that keeps them
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Begins to keep backups, makes one, proves one by restoring it, lists them, or restores one into an instance of its
    own.
  - The programs and their configuration are there already; the role P(longshore.stack.pgbackrest#role) does all of it.
  - Never touches a database that serves, and never removes a backup. How long those are kept is pgBackRest's matter.
extends_documentation_fragment:
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: What is made is told.
options:
  settings:
    description: Path of the settings on the server.
    type: path
    required: true
  stanzas:
    description: The databases that are meant, by the names of their instances. None is all, for O(action=listed).
    type: list
    elements: str
    default: []
  action:
    description:
      - V(begun) makes the repository for each that has none, and starts the first backup of it in the background.
      - V(made) makes a backup, and waits for it and its proof.
      - V(proved) restores the newest backup for a moment, and counts what is in it.
      - V(listed) tells what there is.
      - V(restored) restores into an instance O(name) on this server, which goes on to run. V(dropped) ends such a one.
    type: str
    choices: [begun, made, proved, listed, restored, dropped]
    default: begun
  full:
    description: Whether a whole backup is made, of O(action=made).
    type: bool
    default: false
  name:
    description: Name of the restored instance.
    type: str
    default: ''
  at:
    description: The moment to restore to, with its time zone; empty for the last that there is.
    type: str
    default: ''
  label:
    description: The backup to restore, as it is listed; empty for the one that fits.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Make a backup now
  longshore.stack.database_backup:
    settings: /etc/longshore/shop/pgbackrest/backups.json
    stanzas: [shop-main]
    action: made
"""

RETURN = r"""
backups:
  description: By instance, its C(backups) and the C(problems) that somebody should look at.
  returned: with O(action=made), O(action=proved) and O(action=listed)
  type: dict
restored:
  description: The restored instance, with C(socket), C(port), C(database), C(until), C(seconds) and C(rows) by table.
  returned: with O(action=restored)
  type: dict
notices:
  description: The problems. A run with notices ends degraded.
  returned: with O(action=listed)
  type: list
  elements: str
"""

import json
import time
from functools import partial

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError, attempt, run
from ansible_collections.longshore.stack.plugins.module_utils.host_files import read
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PROGRAM = "/usr/lib/longshore/backup"
# Of pgBackRest's info: there is no such stanza yet, or nothing in it.
NO_STANZA = (1, 3)
NO_BACKUP = 2
# Seconds. A large database takes hours.
LONGEST = 86400.0
# Who has no stanza yet is asked by its PostgreSQL every second, which locks it for that long.
LOCKED = 60.0


def converge(given: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    action, stanzas = given["action"], given["stanzas"]
    if action == "begun":
        return begin(given, check, work)
    if action == "listed":
        found = call(given, "list", *stanzas)
        problems = [f"{name}: {problem}" for name, each in found.items() for problem in each["problems"]]
        return {"changed": False, "backups": found, "notices": problems}
    if check:
        return {"changed": action != "proved"}
    if action in ("made", "proved"):
        for stanza in stanzas:
            work.check()
            work.progress(f"{stanza}: a backup" if action == "made" else f"{stanza}: the proof of the newest backup")
            words = ["run", stanza, *(["--full"] if given["full"] else [])] if action == "made" else ["prove", stanza]
            call(given, *words)
        return {"changed": action == "made", "backups": call(given, "list", *stanzas)}
    if action == "dropped":
        call(given, "drop", given["name"])
        return {"changed": True}
    words = [*(["--at", given["at"]] if given["at"] else []), *(["--set", given["label"]] if given["label"] else [])]
    return {"changed": True, "restored": call(given, "restore", stanzas[0], given["name"], *words)}


def begin(given: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    changed = False
    settings = read(given["settings"])
    config = json.loads(settings)["config"] if settings else ""
    for stanza in given["stanzas"]:
        code = status(config, stanza) if config else NO_STANZA[0]
        if code in NO_STANZA:
            changed = True
            if not check:
                work.progress(f"{stanza}: making its repository")
                undisturbed(partial(backrest, config, stanza, "stanza-create"), work)
                backrest(config, stanza, "check")
                code = NO_BACKUP
        if code == NO_BACKUP and not begun(stanza):
            changed = True
            if not check:
                run(["systemctl", "start", "--no-block", f"longshore-backup-{stanza}.service"])
    return {"changed": changed}


def undisturbed(call: Callable[[], str], work: Run) -> None:
    """Do it once the primary, which tries to send its log all the time, lets go of the lock for a moment."""
    until = time.monotonic() + LOCKED
    while True:
        try:
            call()
        except HostError as error:
            if "LockAcquireError" not in str(error) or time.monotonic() > until:
                raise
            work.wait(0.5)
        else:
            return


def begun(stanza: str) -> bool:
    """Whether a backup of it is being made."""
    return attempt(["systemctl", "is-active", f"longshore-backup-{stanza}.service"])[1].strip() == "activating"


def backrest(config: str, stanza: str, *words: str) -> str:
    return run(
        ["runuser", "-u", "postgres", "--", "pgbackrest", f"--config={config}", f"--stanza={stanza}", *words],
        timeout=600.0,
    )


def status(config: str, stanza: str) -> int:
    found = json.loads(backrest(config, stanza, "info", "--output=json"))
    return int(found[0]["status"]["code"]) if found else NO_STANZA[0]


def call(given: dict[str, Any], *words: str) -> dict[str, Any]:
    """The answer of the program. Raises ``HostError`` with its words."""
    argv = ["runuser", "-u", "postgres", "--", "/usr/bin/python3", PROGRAM, given["settings"], *words]
    code, out, error = attempt(argv, timeout=LONGEST)
    if code != 0:
        raise HostError(error.strip()[-1500:] or f"{PROGRAM} ended with {code}")
    answer: dict[str, Any] = json.loads(out)
    return answer


def main() -> None:
    module = AnsibleModule(
        {
            "settings": {"type": "path", "required": True},
            "stanzas": {"type": "list", "elements": "str", "default": []},
            "action": {
                "type": "str",
                "choices": ["begun", "made", "proved", "listed", "restored", "dropped"],
                "default": "begun",
            },
            "full": {"type": "bool", "default": False},
            "name": {"type": "str", "default": ""},
            "at": {"type": "str", "default": ""},
            "label": {"type": "str", "default": ""},
            **RUN,
        },
        supports_check_mode=True,
    )
    try:
        result = converge(module.params, module.check_mode, Run.of(module.params))
    except (HostError, ValueError) as error:
        module.fail_json(msg=str(error))
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
