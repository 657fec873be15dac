#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: external_database
short_description: Whether databases that somebody else runs can be used from a server
version_added: 0.2.0
author: The Longshore founders (@longshore)
description:
  - Connects, checks the certificate, logs in and leaves. Changes nothing, and needs nothing but Python.
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
options:
  databases:
    description:
      - Name to C(engine) (V(postgresql), V(mariadb), V(redis) or V(memcached)), C(host), C(port), C(database), C(user),
        C(tls), and C(authority), the certificate of who signed its own; empty for those that the server trusts.
    type: dict
    required: true
  passwords:
    description: Name to its password; none for one that asks for none.
    type: dict
    default: {}
  trusted:
    description: Certificates of authorities that the server is going to trust.
    type: str
    default: ""
  noticed:
    description: Whether what is wrong is a notice, with which a run ends degraded.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Ask the external databases
  longshore.stack.external_database:
    databases:
      crm: {engine: postgresql, host: pg.example, port: 5432, database: crm, user: shop, tls: true, authority: ""}
    passwords: {crm: "{{ vault_crm }}"}
"""

RETURN = r"""
instances:
  description: By name, C(role) (V(external)) and C(state) (V(answers), or what is wrong).
  returned: success
  type: dict
problems:
  description: What is wrong, a line for each database.
  returned: success
  type: list
  elements: str
notices:
  description: The same, if O(noticed).
  returned: success
  type: list
  elements: str
"""

from ansible_collections.longshore.stack.plugins.module_utils.external_database import problem
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def asked(given: dict[str, Any]) -> dict[str, Any]:
    instances, problems = {}, []
    for name, database in given["databases"].items():
        wrong, more = problem(database, given["passwords"].get(name) or "", given["trusted"])
        state = wrong or ", ".join(filter(None, ("answers", more)))
        instances[name] = {"role": "external", "state": state}
        if wrong:
            place = f"{database['host']}:{database['port']}"
            problems.append(f"the external database {name} ({database['engine']} at {place}) can't be used: {wrong}")
    notices = problems if given["noticed"] else []
    return {"changed": False, "instances": instances, "problems": problems, "notices": notices}


def main() -> None:
    module = QuietModule(
        {
            "databases": {"type": "dict", "required": True},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "trusted": {"type": "str", "default": ""},
            "noticed": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.exit_json(**asked(module.params))


if __name__ == "__main__":
    main()
