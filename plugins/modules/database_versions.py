#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_versions
short_description: Versions of databases' settings
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Keeps which settings a database's servers have, each time they differ from those that were kept last, under the next
    number. Each version stays as it is; the newest 50 of a database are kept, in the Swarm's own store.
  - Values that may be secret are not given to it.
extends_documentation_fragment:
  - longshore.stack.stack
  - longshore.stack.stack.attributes
  - longshore.stack.run
options:
  state:
    description:
      - V(recorded) keeps what O(databases) says where it is new.
      - V(listed) tells the versions of O(database), of all databases when that is empty.
      - V(compared) tells what O(other) has otherwise than O(number); C(changed) says whether there is anything.
    type: str
    choices: [recorded, listed, compared]
    default: listed
  databases:
    description:
      - Name to C(engine), C(given) (what the stack file gives), C(members) (the names of all servers) and C(servers)
        (name to settings, of those that were reached). What P(longshore.stack.found_settings#filter) gives.
    type: dict
    default: {}
  reverted:
    description:
      - Name of a database to the number of the version that this brings back. What is kept says so.
    type: dict
    default: {}
  database:
    description: The database whose versions are listed.
    type: str
    default: ""
  number:
    description: This version alone, and a failure when there is none; 0 for all.
    type: int
    default: 0
  other:
    description: Compared with this version; 0 for the newest.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: See which settings there were
  longshore.stack.database_versions:
    stack: shop
    database: main
"""

RETURN = r"""
recorded:
  description: Database to the number of the version that was kept.
  returned: when O(state=recorded)
  type: dict
reverted:
  description: Of the databases in O(reverted), what was given when the version was made.
  returned: when O(state=recorded)
  type: dict
versions:
  description:
    - The versions, newest first, each with C(database), C(number), C(time), C(run), C(owner), C(reason), C(kind) (V(up)
      or V(revert)), C(of) (the version that was brought back), C(release) (the newest at that time), C(given) and
      C(servers).
  returned: when O(state=listed)
  type: list
  elements: dict
differences:
  description: What differs, each with C(path), C(before), C(after) and C(servers), of which that is so.
  returned: when O(state=compared)
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils import releases, settings_versions, stack_module
from ansible_collections.longshore.stack.plugins.module_utils.docker_api import DockerError
from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import KIND, STACK
from ansible_collections.longshore.stack.plugins.module_utils.swarm_write import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.docker_api import Docker
    from ansible_collections.longshore.stack.plugins.module_utils.run import Run


def configs_of(docker: Docker | None, stack: str) -> list[dict[str, Any]]:
    """The stack's configs; none where there is no Swarm yet."""
    return docker.get("/configs", filters={"label": [f"{STACK}={stack}"]}) if docker is not None else []


class Keeper:
    """Keeps versions of a stack's settings. ``docker`` is None where there is no Swarm yet, in check mode."""

    def __init__(self, docker: Docker | None, stack: str, run: Run) -> None:
        self._docker = docker
        self._stack = stack
        self._run = run
        self._read()

    def _read(self) -> None:
        configs = configs_of(self._docker, self._stack)
        self._known = settings_versions.read(self._stack, configs)
        self._ids = {config["Spec"]["Name"]: config["ID"] for config in configs}

    def given(self, database: str, number: int) -> dict[str, str]:
        """What was given when a version was made. Raises ``ValueError`` when there is none of that number."""
        found: dict[str, str] = settings_versions.one(self._known.get(database, {}), database, number)["given"]
        return found

    def keep(self, database: str, found: Mapping[str, Any], about: Mapping[str, Any], check: bool) -> int:
        """Keep what was found as a version, if it is new; its number, 0 when it is not."""
        while True:
            versions = self._known.get(database, {})
            version = settings_versions.following(versions, found)
            if version is None:
                return 0
            number: int = version["number"]
            if self._docker is None or check:
                return number
            released = (releases.parse_name(self._stack, name)[0] or 0 for name in self._ids)
            version |= {
                "stack": self._stack,
                "database": database,
                "release": max(released, default=0) or None,
                **about,
            }
            writer = Writer(self._docker, self._stack, self._run.check, {})
            name = settings_versions.name_of(self._stack, database, number)
            try:
                writer.create_object(
                    "config", name, settings_versions.content(version), {KIND: settings_versions.LABEL}
                )
            except DockerError as error:
                if error.status != 409:
                    raise
                # Another run was first with this number.
                self._read()
                continue
            for old in settings_versions.outdated([*versions, number]):
                writer.remove(f"/configs/{self._ids[settings_versions.name_of(self._stack, database, old)]}")
            return number


def record(module: AnsibleModule) -> dict[str, Any]:
    given, run = module.params, stack_module.run_of(module.params)
    keeper = Keeper(stack_module.connect(module.check_mode), given["stack"], run)
    recorded, reverted = {}, {}
    for database, found in sorted(given["databases"].items()):
        of = given["reverted"].get(database)
        about = {**stack_module.about(run), "kind": "up" if of is None else "revert", "of": of}
        meant = dict(found)
        if of is not None:
            meant["given"] = reverted[database] = keeper.given(database, of)
        number = keeper.keep(database, meant, about, module.check_mode)
        if number:
            recorded[database] = number
    changes = [f"version {number} of the settings of {database}" for database, number in recorded.items()]
    return {"changed": bool(changes), "changes": changes, "recorded": recorded, "reverted": reverted}


def look(module: AnsibleModule) -> dict[str, Any]:
    stack, database, number = (module.params[name] for name in ("stack", "database", "number"))
    known = settings_versions.read(stack, configs_of(stack_module.connect(check_mode=True), stack))
    if number:
        return {"changed": False, "versions": [settings_versions.one(known.get(database, {}), database, number)]}
    found = [
        version
        for name, versions in sorted(known.items())
        for _number, version in sorted(versions.items(), reverse=True)
        if database in ("", name)
    ]
    return {"changed": False, "versions": found}


def compare(module: AnsibleModule) -> dict[str, Any]:
    stack, database = module.params["stack"], module.params["database"]
    known = settings_versions.read(stack, configs_of(stack_module.connect(check_mode=True), stack)).get(database, {})
    numbers = (module.params["number"], module.params["other"] or max(known, default=1))
    before, after = (settings_versions.one(known, database, number) for number in numbers)
    found = settings_versions.differing(before, after)
    fields = [{name: each[name] for name in ("path", "before", "after")} for each in found]
    changes = [{"kind": "database", "name": database, "action": "update", "fields": fields}] if found else []
    return {"changed": bool(found), "changes": changes, "differences": found}


STATES = {"recorded": record, "listed": look, "compared": compare}


def main() -> None:
    module = AnsibleModule(
        {
            **stack_module.STACK_SPEC,
            "state": {"type": "str", "choices": ["recorded", "listed", "compared"], "default": "listed"},
            "databases": {"type": "dict", "default": {}},
            "reverted": {"type": "dict", "default": {}},
            "database": {"type": "str", "default": ""},
            "number": {"type": "int", "default": 0},
            "other": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    with stack_module.results(module):
        module.exit_json(**STATES[module.params["state"]](module))


if __name__ == "__main__":
    main()
