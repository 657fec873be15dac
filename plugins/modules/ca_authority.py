#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: ca_authority
short_description: The key and certificate of an internal certificate authority, and what it signs
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Keeps C(ca.key) and C(ca.crt) in a directory. What exists is never made anew or overwritten.
  - The answer holds the key; use it with C(no_log).
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: Keys are secret.
options:
  directory:
    description: Absolute path of the directory.
    type: path
    default: /etc/longshore/cluster
  name:
    description: Name of a new authority.
    type: str
    default: Longshore internal CA
  values:
    description: C(ca.key) and C(ca.crt) as known from elsewhere. Different ones that are here already are an error.
    type: dict
    default: {}
  make:
    description: Whether what is neither here nor known is made.
    type: bool
    default: false
  requests:
    description: What to sign, under names of the caller's. Each has C(request) and C(sans), the names to sign it for,
      C(DNS:name) and C(IP:address).
    type: dict
    default: {}
  days:
    description: How long a signed certificate is good.
    type: int
    default: 825
"""

EXAMPLES = r"""
- name: Keep the authority
  longshore.stack.ca_authority:
    make: true
  register: authority
  no_log: true
"""

RETURN = r"""
stored:
  description: C(ca.key) and C(ca.crt) after this run, as far as they exist. Secret.
  returned: success
  type: dict
complete:
  description: Whether both were here before.
  returned: success
  type: bool
certificates:
  description: The signed certificates, under the names of O(requests).
  returned: success
  type: dict
"""

from ansible_collections.longshore.stack.plugins.module_utils.ca_openssl import make_authority, make_key, sign
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.host_credentials import completed, store, stored
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES: dict[str, dict[str, Any]] = {"ca.key": {}, "ca.crt": {}}


def keep(wanted: dict[str, Any], check: bool) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """The values, those that are new here, and whether something changes."""
    here = stored(wanted["directory"], NAMES)
    values = completed(NAMES, here, wanted["values"], make=False)
    lacking = wanted["make"] and len(values) < len(NAMES)
    if lacking and not check:
        if "ca.crt" in values and "ca.key" not in values:
            raise HostError("there is a certificate of the authority without its key: bring the key back")
        key = values.setdefault("ca.key", "") or make_key()
        values["ca.key"] = key
        # The key first: a certificate can be made for it again, but not the other way round.
        store(wanted["directory"], {"ca.key": key} if "ca.key" not in here else {}, 0o755)
        values.setdefault("ca.crt", make_authority(key, wanted["name"]))
    new = {name: value for name, value in values.items() if here.get(name) != value}
    return values, new, bool(new) or lacking


def main() -> None:
    module = QuietModule(
        {
            "directory": {"type": "path", "default": "/etc/longshore/cluster"},
            "name": {"type": "str", "default": "Longshore internal CA"},
            "values": {"type": "dict", "default": {}},
            "make": {"type": "bool", "default": False},
            "requests": {"type": "dict", "default": {}},
            "days": {"type": "int", "default": 825},
        },
        supports_check_mode=True,
        no_log=True,
    )
    wanted = module.params
    asked = {"module_args": {"directory": wanted["directory"]}}
    try:
        here = stored(wanted["directory"], NAMES)
        values, new, changed = keep(wanted, module.check_mode)
        if new and not module.check_mode:
            store(wanted["directory"], new, 0o755)
        if wanted["requests"] and len(values) < len(NAMES):
            raise HostError("this server does not hold the authority's key and certificate")
        signed = {
            name: sign(each["request"], each["sans"], wanted["days"], values["ca.key"], values["ca.crt"])
            for name, each in wanted["requests"].items()
        }
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error), invocation=asked)
    complete = len(here) == len(NAMES)
    module.exit_json(changed=changed, stored=values, complete=complete, certificates=signed, invocation=asked)


if __name__ == "__main__":
    main()
