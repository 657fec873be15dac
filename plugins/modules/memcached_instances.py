#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: memcached_instances
short_description: The instances of memcached on a server run with their options
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Starts instances, has those that run let other clients in and show a new certificate, and ends those that are
    listed no more.
  - Package, files and units are there already; the role P(longshore.stack.memcached#role) does all of it.
extends_documentation_fragment:
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: What is changed has no text.
options:
  state:
    description:
      - V(present) starts what does not run, and ends what is not listed.
      - V(restarted) restarts what runs with other options. What it holds is gone then, so for one server at a time.
    type: str
    choices: [present, restarted]
    default: present
  instances:
    description: Those of this server.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      title:
        description: What people call it.
        type: str
        default: ""
      address:
        description: The address on which it listens.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        required: true
      tls:
        description: Whether it is spoken to with TLS.
        type: bool
        default: true
      options:
        description: The options of its command line.
        type: list
        elements: str
        default: []
  prefix:
    description: How the names of all instances begin that may be ended. Empty for none.
    type: str
    default: ""
  clients:
    description: Addresses and networks that may connect to them. Nobody else can.
    type: list
    elements: str
    default: []
  certificate:
    description: The file with the certificate that instances show.
    type: path
    default: ""
  deadline:
    description: Seconds until an instance must answer.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Run the instances
  longshore.stack.memcached_instances:
    prefix: shop-
    clients: [10.77.0.11, 10.77.0.21]
    instances:
      - {name: shop-sessions, address: 10.77.0.21, port: 11211, tls: false, options: [--listen=10.77.0.21]}
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be done, a few words each.
  returned: success
  type: list
  elements: str
restart:
  description: Instances that need a restart for what their options say.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.memcached import Memcached, end, others
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INSTANCE = {
    "name": {"type": "str", "required": True},
    "title": {"type": "str", "default": ""},
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "tls": {"type": "bool", "default": True},
    "options": {"type": "list", "elements": "str", "default": []},
}


def converge(given: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    changes, due = [], []
    for each in given["instances"]:
        instance = Memcached(each, given["certificate"], given["clients"])
        for verb in needed(instance, given["state"]):
            changes.append(f"{instance.name}: {verb}")
            if not check:
                work.check()
                apply(instance, verb, given["deadline"], work)
        if instance.due():
            due.append(instance.name)
    ended = others(given["prefix"], (each["name"] for each in given["instances"])) if given["prefix"] else []
    for name in ended:
        changes.append(f"{name}: end")
        if not check:
            work.check()
            end(name)
    return {"changed": bool(changes), "changes": changes, "restart": due}


def needed(instance: Memcached, state: str) -> list[str]:
    """What has to be done."""
    if not instance.active():
        return ["start"]
    verbs = ["let its clients in"] if instance.open_to_others() else []
    if instance.due():
        return [*verbs, "restart"] if state == "restarted" else verbs
    return [*verbs, "take its certificate"] if instance.stale() else verbs


def apply(instance: Memcached, verb: str, deadline: int, work: Run) -> None:
    if verb == "let its clients in":
        instance.let_in()
    elif verb == "take its certificate":
        instance.ask("refresh_certs")
    else:
        instance.start(verb, deadline, work)


def main() -> None:
    module = AnsibleModule(
        {
            "state": {"type": "str", "choices": ["present", "restarted"], "default": "present"},
            "instances": {"type": "list", "elements": "dict", "required": True, "options": INSTANCE},
            "prefix": {"type": "str", "default": ""},
            "clients": {"type": "list", "elements": "str", "default": []},
            "certificate": {"type": "path", "default": ""},
            "deadline": {"type": "int", "default": 30},
            **RUN,
        },
        supports_check_mode=True,
    )
    try:
        result = converge(module.params, module.check_mode, Run.of(module.params))
    except HostError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"an instance of memcached does not answer: {error}")
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
