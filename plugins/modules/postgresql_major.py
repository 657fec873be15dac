#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_major
short_description: Bring a group of PostgreSQL servers to another major version
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Sees whether it can be done, or does it, by pg_upgrade and through Patroni. For all servers of a group at the same
    time - they wait for each other.
  - Until the new version serves, whatever goes wrong ends with the old one serving again.
  - The data of the former version are kept, in F(/var/lib/postgresql/OLD/NAME.before-NEW), on each of the servers.
extends_documentation_fragment:
  - longshore.stack.rest
  - longshore.stack.run
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: RV(from) tells it.
options:
  step:
    description:
      - V(look) sees what there is, and on a primary has pg_upgrade check it. Nothing is touched.
      - V(agree) fails unless what the servers said there is one group that can be upgraded, and goes back from what a
        run that was ended in the middle has left. Not when that has come to the new version; V(upgrade) goes on then.
      - V(upgrade) does it. Writes wait meanwhile.
    type: str
    choices: [look, agree, upgrade]
    default: look
  member:
    description: This server's name in its group.
    type: str
    required: true
  instance:
    description:
      - The instance, with C(name), C(title), C(version) (the new one), C(port), C(health_port), C(servers) and C(text),
        Patroni's file for it.
    type: dict
    required: true
  etcd:
    description: Address and port of etcd's members.
    type: list
    elements: str
    required: true
  looked:
    description: Server to what O(step=look) said there, of all servers of the group. For the other steps.
    type: dict
    default: {}
  mode:
    description:
      - How the new version gets the data, on the primary. V(link) shares the files, V(clone) has the file system share
        them until they change, V(copy) copies them.
      - V(auto) clones where that is possible; else it links where there are replicas, whose data are the way back then,
        and copies where there are none.
    type: str
    choices: [auto, link, clone, copy]
    default: auto
  patience:
    description: Seconds until a member must serve.
    type: int
    default: 180
  deadline:
    description: Seconds for a member that copies the primary's data.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: See whether the database can be upgraded
  longshore.stack.postgresql_major:
    step: look
    member: db1
    authority: /etc/longshore/postgresql/ca.crt
    certificate: /etc/longshore/postgresql/member.crt
    key: /etc/longshore/postgresql/member.key
    etcd: ["192.0.2.21:2379"]
    instance: "{{ postgresql_instances[0] | combine({'version': '17'}) }}"
"""

RETURN = r"""
from:
  description: The version that the data have; empty when there is nothing to upgrade.
  returned: with O(step=look)
  type: str
primary:
  description: Whether this server is the primary, or was, of an upgrade that was ended in the middle.
  returned: with O(step=look)
  type: bool
mode:
  description: How the new version gets the data; empty on a replica.
  returned: with O(step=look) and O(step=upgrade)
  type: str
stage:
  description: How far an upgrade was that was ended in the middle; empty for none.
  returned: with O(step=look)
  type: str
outage:
  description: For how many seconds nobody took writes.
  returned: with O(step=upgrade)
  type: float
kept:
  description: Where the data of the former version are.
  returned: with O(step=upgrade)
  type: str
notices:
  description: What is still to be done. A run with notices ends degraded.
  returned: with O(step=upgrade), by the primary
  type: list
  elements: str
"""

from ansible_collections.longshore.stack.plugins.module_utils import pg_upgrade
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.postgresql_major import Member, refuse_disagreement
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule
from ansible_collections.longshore.stack.plugins.module_utils.rest import ARGUMENT_SPEC as REST
from ansible_collections.longshore.stack.plugins.module_utils.rest import RestError
from ansible_collections.longshore.stack.plugins.module_utils.run import ARGUMENT_SPEC as RUN
from ansible_collections.longshore.stack.plugins.module_utils.run import Cancelled, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def converge(given: dict[str, Any], check: bool, work: Run) -> dict[str, Any]:
    member, step = Member(given, work), given["step"]
    if step == "look":
        return {"changed": False, **member.look()}
    looked = given["looked"]
    own = looked.get(given["member"]) or {}
    refuse_disagreement(member.title, member.to, looked)
    if step == "agree":
        back = bool(own.get("stage")) and not any(each["stage"] == "installed" for each in looked.values())
        led = any(each["primary"] and each["stage"] for each in looked.values())
        return member.recover(led) if back and not check else {"changed": back}
    if not own.get("from") or check:
        return {"changed": bool(own.get("from"))}
    return member.lead(own["from"], own["mode"]) if own["primary"] else member.follow()


def main() -> None:
    module = QuietModule(
        {
            "step": {"type": "str", "choices": ["look", "agree", "upgrade"], "default": "look"},
            "member": {"type": "str", "required": True},
            **REST,
            "instance": {"type": "dict", "required": True},
            "etcd": {"type": "list", "elements": "str", "required": True},
            "looked": {"type": "dict", "default": {}},
            "mode": {"type": "str", "choices": ["auto", "link", "clone", "copy"], "default": "auto"},
            "patience": {"type": "int", "default": 180},
            "deadline": {"type": "int", "default": 3600},
            **RUN,
        },
        supports_check_mode=True,
    )
    try:
        result = converge(module.params, module.check_mode, Run.of(module.params))
    except (HostError, RestError, ValueError, OSError, pg_upgrade.Failed) as error:
        module.fail_json(msg=str(error))
    except Cancelled as error:
        module.fail_json(msg=f"stopped: {error}", cancelled=True)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
