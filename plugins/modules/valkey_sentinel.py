#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: valkey_sentinel
short_description: A server's Sentinel, and the databases that it watches
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Runs the Sentinel, and has it watch databases. What it has learnt of them stays when its configuration changes.
  - Package, certificates and unit are there already; the role P(longshore.stack.valkey_sentinel#role) does all of it.
extends_documentation_fragment:
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: What is changed has no text, or is secret.
options:
  state:
    description:
      - V(running) starts it where it does not run.
      - V(restarted) restarts it where its configuration is another one than it was started with. For one server at a
        time.
      - V(watching) has it watch O(databases). What else it watches stays.
      - V(relearning) has it forget Sentinels that are none any more, of those who watch O(databases) with it. For one
        server at a time.
      - V(former) has it watch O(databases) no more, if it runs.
    type: str
    choices: [running, restarted, watching, relearning, former]
    default: running
  address:
    description: The address by which the others reach it.
    type: str
    required: true
  authority:
    description: Path of the certificate of the authority that signed those of all Sentinels.
    type: path
    required: true
  config:
    description: Its configuration, without what it learns by itself.
    type: str
    default: ''
  files:
    description: Files whose change needs a restart.
    type: list
    elements: path
    default: []
  others:
    description: Addresses of the other Sentinels, which may know who is primary.
    type: list
    elements: str
    default: []
  lost:
    description:
      - The address of a server that is lost for good, for O(state=relearning). Who knows nothing of it forgets nothing.
    type: str
    default: ''
  databases:
    description: Each with C(name), C(servers) (the first one is primary when nobody knows of it), C(port), C(quorum),
      C(settings) in Sentinel's words, and C(password) of its user C(sentinel).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Run the Sentinel
  longshore.stack.valkey_sentinel:
    address: 192.0.2.21
    authority: /etc/longshore/valkey-sentinel/ca.crt
    config: "{{ sentinel_config }}"
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be done, a few words each.
  returned: success
  type: list
  elements: str
restart:
  description: Whether it was started with another configuration.
  returned: success
  type: bool
strangers:
  description: Databases with which it counts Sentinels that are none any more.
  returned: with O(state=watching)
  type: list
  elements: str
"""

from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run
from ansible_collections.longshore.stack.plugins.module_utils.valkey_sentinel import Sentinel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def converge(given: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    sentinel = Sentinel(given, work)
    changes = list(done(sentinel, given, check))
    due = given["state"] == "running" and sentinel.running() and sentinel.due()
    names = [each["name"] for each in given["databases"]] if given["state"] == "watching" and not changes else []
    strangers = [name for name in names if sentinel.running() and sentinel.strangers(name)]
    return {"changed": bool(changes), "changes": changes, "restart": due, "strangers": strangers}


def done(sentinel: Sentinel, given: dict[str, Any], check: bool) -> Iterator[str]:
    state, running = given["state"], sentinel.running()
    if (state == "running" and not running) or (state == "restarted" and sentinel.due()):
        yield "start" if state == "running" else "restart"
        if not check:
            sentinel.start()
    for database in given["databases"]:
        # In check mode it may be missing only because it was not made.
        if state == "watching" and (running or not check):
            yield from sentinel.watch(database, given["others"], check)
        elif state == "relearning":
            yield from sentinel.relearn(database["name"], given["lost"], check)
        elif state == "former" and running:
            yield from sentinel.forget(database["name"], check)


def main() -> None:
    module = QuietModule(
        {
            "state": {
                "type": "str",
                "choices": ["running", "restarted", "watching", "relearning", "former"],
                "default": "running",
            },
            "address": {"type": "str", "required": True},
            "authority": {"type": "path", "required": True},
            "config": {"type": "str", "default": "", "no_log": True},
            "files": {"type": "list", "elements": "path", "default": []},
            "others": {"type": "list", "elements": "str", "default": []},
            "lost": {"type": "str", "default": ""},
            "databases": {"type": "list", "elements": "dict", "default": []},
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
