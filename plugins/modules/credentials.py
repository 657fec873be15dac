#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: credentials
short_description: Values that are made once and kept in files of root's
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - A value that exists is never made anew or overwritten, but by a later one of a credential that takes turns.
  - The answer holds secrets; use it with C(no_log).
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change. New values are made up, but not kept.
  diff_mode:
    support: none
    description: Values are secret.
options:
  sets:
    description:
      - Sets of values by name, each with C(directory) (absolute path, one file per value), C(directory_mode) (octal,
        for when the directory is made; V(0700)) and C(names).
      - C(names) has the name of each value, with C(length) in characters (64) and C(alphabet), V(hex) (default) or
        V(alphanumeric). With C(turns) true the value can be followed by another one, while both are good.
    type: dict
    required: true
  values:
    description: Values known from elsewhere, by set and name. A different value that is here already is an error.
    type: dict
    default: {}
  turn:
    description:
      - By set and name, V(begun) for a credential that gets a new value beside the one that it has, V(moved) for one of
        which what runs inside is to use the new one, V(ended) for one of which the former value ends. One that is as
        far already stays as it is.
      - The text is V(VALUE) at first, V(NUMBER:VALUE:FORMER) while both are good, with V(:moved) behind it then, and
        V(NUMBER:VALUE) at last.
    type: dict
    default: {}
  make:
    description: Whether what is neither here nor known is made.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Make the key of the sessions
  longshore.stack.credentials:
    sets:
      shop: {directory: /etc/longshore/shop/credentials, names: {session_key: {length: 32, alphabet: alphanumeric}}}
    make: true
  register: credentials
  no_log: true
"""

RETURN = r"""
stored:
  description: The values by set and name, after this run. Secret.
  returned: success
  type: dict
complete:
  description: Whether all of them were here before.
  returned: success
  type: bool
"""

from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.host_credentials import completed, store, stored, turned
from ansible_collections.longshore.stack.plugins.module_utils.host_files import octal
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule

FORM = {"length": 64, "alphabet": "hex"}


def main() -> None:
    # Not in the server's log, not in the result's invocation; the caller's no_log keeps the answer out of sight.
    module = QuietModule(
        {
            "sets": {"type": "dict", "required": True, "no_log": False},
            "values": {"type": "dict", "default": {}},
            "turn": {"type": "dict", "default": {}},
            "make": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
        no_log=True,
    )
    known, make = module.params["values"], module.params["make"]
    asked = {"module_args": {"sets": sorted(module.params["sets"])}}
    values: dict[str, dict[str, str]] = {}
    changed, complete = False, True
    try:
        for name, wanted in module.params["sets"].items():
            names = {value: {**FORM, **(form or {})} for value, form in wanted["names"].items()}
            here = stored(wanted["directory"], names)
            values[name] = completed(names, here, known.get(name) or {}, make)
            values[name] = turned(names, values[name], module.params["turn"].get(name) or {})
            new = {value: content for value, content in values[name].items() if content != here.get(value)}
            if new and not module.check_mode:
                store(wanted["directory"], new, octal(wanted.get("directory_mode", "0700")))
            changed, complete = changed or bool(new), complete and len(here) == len(names)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error), invocation=asked)
    module.exit_json(changed=changed, stored=values, complete=complete, invocation=asked)


if __name__ == "__main__":
    main()
