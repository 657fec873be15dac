#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_state
short_description: Bring one concern of a host into its wanted state
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Packages, users, files, kernel settings and units of one concern in one round trip.
  - The order is repositories, packages, groups, users, host name, time zone, units whose files go, directories, files,
    blocks, swept and absent paths, kernel settings, commands, units.
  - A run that is killed is finished by the next one, which also runs the commands and restarts the units that
    the killed one still owed.
  - A run that is cancelled stops between two changes; one that is under way, such as an installation, is finished.
  - Services of newly installed packages do not start before they are configured; list them in O(units).
  - Only one run at a time changes a server; another one is waited for, and named when that takes too long.
extends_documentation_fragment:
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: full
    description: Returns what is before and after each change.
options:
  name:
    description: Name of the concern, for example the role's. Two tasks with one name share what they owe.
    type: str
    required: true
  cluster:
    description:
      - What a stack says of settings that all stacks of the server share. It is written down, and nothing at all is
        done when another stack has said otherwise.
    type: dict
    suboptions:
      stack:
        description: The stack.
        type: str
        required: true
      says:
        description: Settings by name. One that is null, or that only one of the stacks names, is no difference.
        type: dict
        default: {}
      instead:
        description: Whether the other stacks' differing words are forgotten instead.
        type: bool
        default: false
  addresses:
    description:
      - Addresses that only the server knows are put into files.
    type: dict
    suboptions:
      placeholder:
        description: What stands for them in O(files[].content).
        type: str
        required: true
      separator:
        description: What stands between them.
        type: str
        default: " "
      listed:
        description: Pattern of files that list them, one a line; O(files) that match it count as they will be.
        type: str
        default: ""
      clients:
        description:
          - File that remembers the addresses that runs came from by SSH, one a line; this run's is added, and they
            count too. Without it, nothing is remembered.
        type: str
        default: ""
  packages:
    description:
      - Packages to be installed, without recommended ones. The package lists are refreshed only when one is unknown.
      - An entry may name alternatives, V(a | b); the first one that can be had is taken when none is installed.
      - An alternative that is an entry of its own too does not count as installed there.
    type: list
    elements: str
    default: []
  packages_absent:
    description: Packages that are not to be installed. Their configuration files stay.
    type: list
    elements: str
    default: []
  packages_refused:
    description: Packages beside which nothing is done, each with the reason. One that is installed is an error.
    type: dict
    default: {}
  paths_refused:
    description: Paths beside which nothing is done, each with the reason. One that is there is an error.
    type: dict
    default: {}
  paths_told:
    description: Paths of which RV(there) tells whether they are there at the end.
    type: list
    elements: str
    default: []
  packages_held:
    description: Packages that are not to be upgraded by themselves. Those that are not installed are passed over.
    type: list
    elements: str
    default: []
  packages_upgraded:
    description:
      - Packages that are brought to the newest version that can be had, also when they are held. Those that are not
        installed are passed over. What runs goes on with the former one until it is restarted.
    type: list
    elements: str
    default: []
  groups:
    description: Groups that exist.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the group.
        type: str
        required: true
      gid:
        description: Its number. An existing group with another number is an error.
        type: int
      system:
        description: Whether a new group takes a number of the system's range.
        type: bool
        default: false
  users:
    description: Users that exist or do not.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      state:
        description:
          - V(absent) removes the account and its sudo rule. The home stays.
          - The user that the run itself came in as is never removed, expired or deprived of sudo.
        type: str
        choices: [present, absent]
        default: present
      uid:
        description: Number of the user. An existing user with another number is an error.
        type: int
      groups:
        description:
          - Groups to be in besides the primary one. One that was given here before and is no longer listed is taken
            away; groups that somebody else gave stay.
        type: list
        elements: str
        default: []
      home:
        description: Home directory of a new user. A home is never moved.
        type: str
      shell:
        description: Login shell.
        type: str
        default: /bin/bash
      system:
        description: Whether a new user takes a number of the system's range and gets no home.
        type: bool
        default: false
      keys:
        description: Public keys for SSH. They stand in a marked block; keys that others wrote stay.
        type: list
        elements: str
        default: []
      keys_exclusive:
        description: Whether the user has these keys and no others.
        type: bool
        default: false
      sudo:
        description: What the user may do with sudo, for example V(ALL=(ALL) NOPASSWD:ALL). Empty for nothing.
        type: str
        default: ""
      expires:
        description: Day on which the account ends, V(YYYY-MM-DD). Empty for never. Not given, it stays as it is.
        type: str
  hostname:
    description: Name of the server.
    type: str
    default: ""
  timezone:
    description: Time zone, for example V(Europe/Berlin) or V(Etc/UTC).
    type: str
    default: ""
  directories:
    description: Directories that exist. What is in them is not touched.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      mode:
        description: Octal mode.
        type: str
        default: "0755"
      owner:
        description: Name or number of the owner.
        type: str
        default: root
      group:
        description: Name or number of the group.
        type: str
        default: root
      keep_owner_of_data:
        description: Whether a directory that holds something and belongs to somebody else is an error.
        type: bool
        default: false
      initial:
        description:
          - What holds only when the directory is made, V(owner) with the group, or V(mode). Existing ones keep theirs.
        type: list
        elements: str
        choices: [owner, mode]
        default: []
  files:
    description: Files and what is in them. A file is replaced in one step.
    type: list
    elements: dict
    default: []
    suboptions: &file
      path:
        description: Absolute path. Missing parent directories are made for root with mode 0755.
        type: str
        required: true
      content:
        description:
          - The text. Without O(files[].content), O(files[].content_base64) and O(files[].source) only owner
            and mode are kept, and a missing file is made empty.
        type: str
      content_base64:
        description: The content, for what is not text.
        type: str
      source:
        description: A file on the server whose content is copied.
        type: str
      mode:
        description: Octal mode.
        type: str
        default: "0644"
      owner:
        description: Name or number of the owner.
        type: str
        default: root
      group:
        description: Name or number of the group.
        type: str
        default: root
      secret:
        description: Whether the content is kept out of differences.
        type: bool
        default: false
      validate:
        description:
          - Program and arguments that must accept the new file before it replaces the old one. V(%s) is its path.
        type: list
        elements: str
        default: []
      origin:
        description:
          - Of what the content was made, the C(file) and C(lines), the number of each by the word with which it begins.
          - Where O(files[].validate) refuses the content and names such a word, the error says its place.
        type: dict
        default: {}
      triggers:
        description: Words that fire when the content changes.
        type: list
        elements: str
        default: []
      soft_keys:
        description: For a JSON object, the top-level keys whose changes fire O(files[].soft_triggers) instead.
        type: list
        elements: str
        default: []
      soft_triggers:
        description: Words that fire when only O(files[].soft_keys) changed.
        type: list
        elements: str
        default: []
  repositories:
    description: Files that are written before packages are installed, such as sources and keys. Like O(files).
    type: list
    elements: dict
    default: []
    suboptions: *file
  blocks:
    description: Marked parts of files that others write too.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      name:
        description: Name of the block, unique in the file.
        type: str
        required: true
      content:
        description: Its text. Empty takes the block away.
        type: str
        default: ""
      triggers:
        description: Words that fire when the block changes.
        type: list
        elements: str
        default: []
  absent:
    description:
      - Files, links and empty directories that are not to exist. A directory that holds something is an error.
      - The unit of a file that goes can be stopped and disabled by O(units) in the same task.
    type: list
    elements: str
    default: []
  tidy:
    description: Directories that go when nothing is in them any more, the innermost first.
    type: list
    elements: str
    default: []
  sweep:
    description: Patterns of files that belong to this concern alone. Those that are not in O(files) are removed.
    type: list
    elements: dict
    default: []
    suboptions:
      pattern:
        description: Absolute path with V(*), V(?) or V([]).
        type: str
        required: true
      triggers:
        description: Words that fire when a file is removed.
        type: list
        elements: str
        default: []
  sysctl:
    description: Kernel settings, now and after a restart. An empty dictionary removes the file of this concern.
    type: dict
  sysctl_ignore_unsupported:
    description: Whether settings that this kernel lacks or refuses to have set are reported instead of failing.
    type: bool
    default: false
  commands:
    description: Programs to run after one of their triggers fired.
    type: list
    elements: dict
    default: []
    suboptions:
      argv:
        description: Program and arguments. No shell is involved.
        type: list
        elements: str
        required: true
      triggers:
        description: The words. V(packages) fires when a package was installed.
        type: list
        elements: str
        required: true
  units:
    description: systemd units. Unit files that change are loaded anew by themselves.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name with its suffix.
        type: str
        required: true
      enabled:
        description: Whether it starts with the server. Not given, it stays as it is.
        type: bool
      state:
        description: Whether it runs. Not given, it stays as it is.
        type: str
        choices: [started, stopped]
      masked:
        description: Whether it cannot be started at all.
        type: bool
        default: false
      restart_on:
        description: Triggers after which a running unit is restarted.
        type: list
        elements: str
        default: []
      reload_on:
        description: Triggers after which a running unit is reloaded.
        type: list
        elements: str
        default: []
      restart:
        description: V(delegated) only reports in RV(restart_needed), until the unit was restarted by somebody.
        type: str
        choices: [now, delegated]
        default: now
      unless_container:
        description: Whether the unit is passed over on a server that is a container.
        type: bool
        default: false
  units_former:
    description: Units of which there may be some that are wanted no longer. Those are stopped, and their files removed.
    type: list
    elements: dict
    default: []
    suboptions:
      pattern:
        description: Pattern of the names of services. A timer of the same name goes with its service.
        type: str
        required: true
      containing:
        description: What the file of such a service has in it, and of no other.
        type: str
        required: true
      keep:
        description: Names of those that stay.
        type: list
        elements: str
        default: []
      data:
        description: Paths of what they have made. It stays, and is told in RV(kept).
        type: list
        elements: str
        default: []
      files:
        description: Paths of files that go with such a unit, V({}) in them for what V(*) of the pattern stood for.
        type: list
        elements: str
        default: []
"""

EXAMPLES = r"""
- name: Run chrony with our servers
  longshore.stack.host_state:
    name: time
    packages: [chrony]
    files:
      - path: /etc/chrony/sources.d/ours.sources
        content: "server 192.0.2.123 iburst\n"
        triggers: [sources]
    units:
      - {name: chrony.service, enabled: true, state: started, restart_on: [sources]}
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be done, a few words each.
  returned: success
  type: list
  elements: str
  sample: ["packages installed: chrony", "chrony.service: enable"]
restart_needed:
  description: Units whose restart is delegated and due.
  returned: success
  type: list
  elements: str
unsupported:
  description: Kernel settings that were passed over.
  returned: success
  type: list
  elements: str
conflicts:
  description: The stacks that differ.
  returned: failure because of O(cluster)
  type: list
  elements: str
kept:
  description: What units of O(units_former) that went have made, as far as it is there.
  returned: success
  type: list
  elements: str
there:
  description: Those of O(paths_told) that are there.
  returned: success
  type: list
  elements: str
resumed:
  description: Whether an earlier run was interrupted and this one finished what it owed.
  returned: success
  type: bool
"""

import contextlib

from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.host_converge import converge
from ansible_collections.longshore.stack.plugins.module_utils.host_lock import held
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

WORDS = {"type": "list", "elements": "str", "default": []}
OWNED = {
    "path": {"type": "str", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}
GROUP = {
    "name": {"type": "str", "required": True},
    "gid": {"type": "int"},
    "system": {"type": "bool", "default": False},
}
USER = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "uid": {"type": "int"},
    "groups": WORDS,
    "home": {"type": "str"},
    "shell": {"type": "str", "default": "/bin/bash"},
    "system": {"type": "bool", "default": False},
    "keys": {**WORDS, "no_log": False},
    "keys_exclusive": {"type": "bool", "default": False, "no_log": False},
    "sudo": {"type": "str", "default": ""},
    "expires": {"type": "str"},
}
FILE = {
    **OWNED,
    "mode": {"type": "str", "default": "0644"},
    "content": {"type": "str"},
    "content_base64": {"type": "str"},
    "source": {"type": "str"},
    "secret": {"type": "bool", "default": False},
    "validate": WORDS,
    "origin": {"type": "dict", "default": {}},
    "triggers": WORDS,
    "soft_keys": {**WORDS, "no_log": False},
    "soft_triggers": WORDS,
}
UNIT = {
    "name": {"type": "str", "required": True},
    "enabled": {"type": "bool"},
    "state": {"type": "str", "choices": ["started", "stopped"]},
    "masked": {"type": "bool", "default": False},
    "restart_on": WORDS,
    "reload_on": WORDS,
    "restart": {"type": "str", "choices": ["now", "delegated"], "default": "now"},
    "unless_container": {"type": "bool", "default": False},
}


def dictionaries(options: dict[str, object], **more: object) -> dict[str, object]:
    return {"type": "list", "elements": "dict", "default": [], "options": options, **more}


FILES = dictionaries(FILE, mutually_exclusive=[("content", "content_base64", "source")])
ARGUMENT_SPEC = {
    "name": {"type": "str", "required": True},
    "cluster": {
        "type": "dict",
        "options": {
            "stack": {"type": "str", "required": True},
            "says": {"type": "dict", "default": {}},
            "instead": {"type": "bool", "default": False},
        },
    },
    "addresses": {
        "type": "dict",
        "options": {
            "placeholder": {"type": "str", "required": True},
            "separator": {"type": "str", "default": " "},
            "listed": {"type": "str", "default": ""},
            "clients": {"type": "str", "default": ""},
        },
    },
    "repositories": FILES,
    "packages": WORDS,
    "packages_absent": WORDS,
    "packages_refused": {"type": "dict", "default": {}},
    "paths_refused": {"type": "dict", "default": {}},
    "paths_told": WORDS,
    "packages_held": WORDS,
    "packages_upgraded": WORDS,
    "groups": dictionaries(GROUP),
    "users": dictionaries(USER),
    "hostname": {"type": "str", "default": ""},
    "timezone": {"type": "str", "default": ""},
    "directories": dictionaries(
        {
            **OWNED,
            "mode": {"type": "str", "default": "0755"},
            "keep_owner_of_data": {"type": "bool", "default": False},
            "initial": {**WORDS, "choices": ["owner", "mode"]},
        }
    ),
    "files": FILES,
    "blocks": dictionaries(
        {
            "path": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "content": {"type": "str", "default": ""},
            "triggers": WORDS,
        }
    ),
    "absent": WORDS,
    "tidy": WORDS,
    "sweep": dictionaries({"pattern": {"type": "str", "required": True}, "triggers": WORDS}),
    "sysctl": {"type": "dict"},
    "sysctl_ignore_unsupported": {"type": "bool", "default": False},
    "commands": dictionaries(
        {
            "argv": {"type": "list", "elements": "str", "required": True},
            "triggers": {"type": "list", "elements": "str", "required": True},
        }
    ),
    "units": dictionaries(UNIT),
    "units_former": dictionaries(
        {
            "pattern": {"type": "str", "required": True},
            "containing": {"type": "str", "required": True},
            "keep": WORDS,
            "data": WORDS,
            "files": WORDS,
        }
    ),
    **RUN,
}


def main() -> None:
    # Files may hold secrets: what was asked for is kept out of the server's log and of the result.
    module = QuietModule(ARGUMENT_SPEC, supports_check_mode=True)
    asked = {"module_args": {"name": module.params["name"]}}
    try:
        work = Run.of(module.params)
    except ValueError as error:
        module.fail_json(msg=str(error), invocation=asked)
    try:
        # What only looks waits for nobody.
        with contextlib.nullcontext() if module.check_mode else held(module.params["name"], work):
            result = converge(module.params, module.check_mode, work=work)
    except HostError as error:
        more = {"conflicts": stacks} if (stacks := getattr(error, "stacks", [])) else {}
        module.fail_json(msg=str(error), invocation=asked, **more)
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True, invocation=asked)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'the host'}: {error.strerror or error}", invocation=asked)
    if not module._diff:
        del result["diff"]
    module.exit_json(invocation=asked, **result)


if __name__ == "__main__":
    main()
