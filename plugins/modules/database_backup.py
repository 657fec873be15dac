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
  - Begins to keep backups, makes one, proves one by restoring it, lists them, restores one into an instance of its own,
    or removes one.
  - The programs and their configuration are there already; the roles P(longshore.stack.pgbackrest#role) and
    P(longshore.stack.restic#role) do all of it.
  - Never touches a database that serves, and removes a backup only with O(action=deleted). How long those are kept is
    the tool's matter.
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
    description:
      - Paths of the settings on the server, one for each tool that keeps backups there. They say which program it is,
        whose it runs as, and which databases it has.
      - One that is not there is left out.
    type: list
    elements: path
    required: true
  stanzas:
    description: The databases that are meant, by the names of their instances. None is all, for O(action=listed).
    type: list
    elements: str
    default: []
  action:
    description:
      - V(begun) makes the repository for each that has none. In the background it starts a backup of each that has
        none, or of whose log something is missing since the newest.
      - V(made) makes a backup, and waits for it and its proof.
      - V(proved) restores the newest backup for a moment, and counts what is in it.
      - V(listed) tells what there is, V(described) all that is known of the backup O(label), or the newest.
      - V(deleted) removes the backup O(label). The last one that is good stays. In check mode what would go is told.
      - V(restored) restores into an instance O(name) on this server, which goes on to run. V(dropped) ends such a one.
      - V(rehearsed) restores the newest backup for a moment, and upgrades that copy to the major version O(version).
    type: str
    choices: [begun, made, proved, listed, described, restored, dropped, deleted, rehearsed]
    default: begun
  arrived:
    description:
      - Whether the databases' logs may have gone elsewhere until now. Then some of it is asked for, of O(action=begun),
        so that what is missing is seen.
    type: bool
    default: false
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
    description: The backup that is meant, as it is listed; empty for the one that fits.
    type: str
    default: ''
  source:
    description:
      - The copy of the backups that is meant, by its name; empty for the backups themselves. For O(action=proved),
        O(action=listed), O(action=described) and O(action=restored).
    type: str
    default: ''
  version:
    description: The major version, of O(action=rehearsed).
    type: str
    default: ''
  fresh:
    description: Whether a backup is made and proved before, of O(action=rehearsed).
    type: bool
    default: false
  dependents:
    description:
      - Whether those go too that can't be restored without O(label). Else, with any, O(action=deleted) is refused.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Make a backup now
  longshore.stack.database_backup:
    settings: [/etc/longshore/shop/pgbackrest/backups.json]
    stanzas: [shop-main]
    action: made
"""

RETURN = r"""
backups:
  description:
    - By instance, its C(backups), the C(problems) that somebody should look at, and C(copies), name to when the copy
      had all of it last (seconds since 1970), or null.
  returned: with O(action=made), O(action=proved) and O(action=listed)
  type: dict
restored:
  description:
    - The restored instance, with C(socket), C(ask) (a command that asks it), C(until), C(seconds) and C(rows) by table.
  returned: with O(action=restored)
  type: dict
backup:
  description:
    - The backup, with C(label), C(type), C(start), C(time) (its end), C(seconds), C(size), C(stored), C(needs) and
      C(needed_by) (labels), C(every_moment) (whether moments after it can be had too), and C(proof), or null.
    - C(proof) is the newest of it, with C(ok), C(why), C(began), C(seconds), C(restored), C(until), C(rows), C(rto) and
      C(rpo) (seconds).
  returned: with O(action=described)
  type: dict
rehearsal:
  description:
    - What was upgraded, with C(label) (the backup), C(version), C(tables), C(rows), C(upgrade) (seconds that pg_upgrade
      took) and C(seconds) (the whole).
  returned: with O(action=rehearsed)
  type: dict
deletion:
  description: What goes, C(goes) (labels), and what can't be had any more then, C(lost) (in words).
  returned: with O(action=deleted)
  type: dict
notices:
  description: The problems. A run with notices ends degraded.
  returned: with O(action=listed)
  type: list
  elements: str
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError, attempt, run
from ansible_collections.longshore.stack.plugins.module_utils.host_files import read
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# Seconds. A large database takes hours.
LONGEST = 86400.0


class Tool:
    """What keeps backups of some databases; ``path`` is that of its settings, ``known`` what they say."""

    def __init__(self, path: str, known: dict[str, Any]) -> None:
        self._path = path
        self._program = known["program"]
        self._user = known["user"]
        self.restored = f"{known['directory']}/restored"
        self.stanzas: list[str] = sorted(known["stanzas"])

    def call(self, *words: str) -> dict[str, Any]:
        """The answer of the program. Raises ``HostError`` with its words."""
        argv = ["runuser", "-u", self._user, "--", "/usr/bin/python3", self._program, self._path, *words]
        code, out, error = attempt(argv, timeout=LONGEST)
        if code != 0:
            raise HostError(error.strip()[-1500:] or f"{self._program} ended with {code}")
        answer: dict[str, Any] = json.loads(out)
        return answer


class Tools:
    """All that keep backups on this server."""

    def __init__(self, paths: list[str], source: str = "") -> None:
        paths = [os.path.join(os.path.dirname(path), "copies", f"{source}.json") for path in paths] if source else paths
        texts = {path: read(path) for path in paths}
        self._source = source
        self._tools = [Tool(path, json.loads(text)) for path, text in texts.items() if text]

    def of(self, stanza: str) -> Tool:
        """Who keeps the backups of a database. Raises ``HostError`` when nobody does."""
        for tool in self._tools:
            if stanza in tool.stanzas:
                return tool
        what = f"there is no copy {self._source} of" if self._source else "nothing keeps"
        raise HostError(f"{what} backups of {stanza} on this server yet: longshore up")

    def at(self, name: str) -> Tool | None:
        """Who has restored an instance of that name."""
        return next((tool for tool in self._tools if os.path.exists(f"{tool.restored}/{name}")), None)

    def listed(self, stanzas: list[str]) -> dict[str, Any]:
        """The backups of these databases, or of all."""
        found = {}
        for tool, meant in self.holding(stanzas):
            found.update(tool.call("list", *meant))
        return found

    def holding(self, stanzas: list[str]) -> Iterator[tuple[Tool, list[str]]]:
        """Who keeps those of these databases, or of all."""
        for tool in self._tools:
            meant = [stanza for stanza in tool.stanzas if not stanzas or stanza in stanzas]
            if meant:
                yield tool, meant

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._tools)


def converge(given: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    action, stanzas, tools = given["action"], given["stanzas"], Tools(given["settings"], given["source"])
    if action == "begun":
        return begin(tools, stanzas, given["arrived"], check, work)
    if action == "listed":
        found = tools.listed(stanzas)
        problems = [f"{name}: {problem}" for name, each in found.items() for problem in each["problems"]]
        return {"changed": False, "backups": found, "notices": problems}
    if action in ("described", "deleted"):
        return single(given, check, tools.of(stanzas[0]))
    if check:
        return {"changed": action not in ("proved", "rehearsed") or given["fresh"]}
    if action == "rehearsed":
        work.progress(f"{stanzas[0]}: a restored copy of the newest backup is upgraded")
        words = ["rehearse", stanzas[0], given["version"], *(["--fresh"] if given["fresh"] else [])]
        return {"changed": given["fresh"], "rehearsal": tools.of(stanzas[0]).call(*words)}
    if action in ("made", "proved"):
        for stanza in stanzas:
            work.check()
            work.progress(f"{stanza}: a backup" if action == "made" else f"{stanza}: the proof of the newest backup")
            words = ["run", stanza, *(["--full"] if given["full"] else [])] if action == "made" else ["prove", stanza]
            tools.of(stanza).call(*words)
        return {"changed": action == "made", "backups": tools.listed(stanzas)}
    return instance(given, tools)


def instance(given: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """Restore an instance, or drop it."""
    there, stanzas = tools.at(given["name"]), given["stanzas"]
    if given["action"] == "dropped":
        if there is None:
            raise HostError(f"there is no restored instance {given['name']}")
        there.call("drop", given["name"])
        return {"changed": True}
    if there is not None:
        raise HostError(f"there is a restored instance {given['name']} already; drop it first")
    words = [*(["--at", given["at"]] if given["at"] else []), *(["--set", given["label"]] if given["label"] else [])]
    return {"changed": True, "restored": tools.of(stanzas[0]).call("restore", stanzas[0], given["name"], *words)}


def single(given: dict[str, Any], check: bool, tool: Tool) -> dict[str, Any]:
    """Describe or remove one backup."""
    stanza, label = given["stanzas"][0], given["label"]
    if given["action"] == "described":
        return {"changed": False, "backup": tool.call("info", stanza, *filter(None, [label]))}
    words = [*(["--dependents"] if given["dependents"] else []), *(["--check"] if check else [])]
    return {"changed": True, "deletion": tool.call("delete", stanza, label, *words)}


def begin(tools: Tools, stanzas: list[str], arrived: bool, check: bool, work: Run) -> dict[str, Any]:
    """Make the place for backups of each, and have the one made that is due at once, in the background."""
    changed = False
    for tool, meant in tools.holding(stanzas):
        work.check()
        told = tool.call("begin", *meant, *(["--check"] if check else []), *(["--arrived"] if arrived else []))
        due = [stanza for stanza in told["due"] if not begun(stanza)]
        changed |= bool(told["new"] or due)
        for stanza in [] if check else due:
            run(["systemctl", "start", "--no-block", f"longshore-backup-{stanza}.service"])
    return {"changed": changed or bool(stanzas and not tools)}


def begun(stanza: str) -> bool:
    """Whether a backup of it is being made; one that failed, and will be tried again, may begin at once."""
    state = attempt(["systemctl", "show", "--property=SubState", "--value", f"longshore-backup-{stanza}.service"])[1]
    return state.strip() == "start"


def main() -> None:
    module = AnsibleModule(
        {
            "settings": {"type": "list", "elements": "path", "required": True},
            "stanzas": {"type": "list", "elements": "str", "default": []},
            "action": {
                "type": "str",
                "choices": [
                    "begun",
                    "made",
                    "proved",
                    "listed",
                    "described",
                    "restored",
                    "dropped",
                    "deleted",
                    "rehearsed",
                ],
                "default": "begun",
            },
            "arrived": {"type": "bool", "default": False},
            "full": {"type": "bool", "default": False},
            "name": {"type": "str", "default": ""},
            "at": {"type": "str", "default": ""},
            "label": {"type": "str", "default": ""},
            "source": {"type": "str", "default": ""},
            "version": {"type": "str", "default": ""},
            "fresh": {"type": "bool", "default": False},
            "dependents": {"type": "bool", "default": False},
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
