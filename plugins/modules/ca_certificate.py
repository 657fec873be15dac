#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: ca_certificate
short_description: Keys and their certificates on the server that uses them
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - A key is made on the server and never leaves it. The answer holds a request for each certificate that is due;
    M(longshore.stack.ca_authority) signs them.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: Keys are secret.
options:
  certificates:
    description: What this server gets.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path without suffix; C(.key) and C(.crt) are added.
        type: path
        required: true
      name:
        description: The certificate's common name.
        type: str
        required: true
      sans:
        description: The names it is good for, C(DNS:name) and C(IP:address).
        type: list
        elements: str
        required: true
      certificate:
        description: The signed certificate, to be written; when it is empty, the one that is there is looked at.
        type: str
        default: ""
      owner:
        description: Name or number of the key's owner.
        type: str
        default: root
      group:
        description: Name or number of the key's group.
        type: str
        default: root
      mode:
        description: Octal mode of the key.
        type: str
        default: "0600"
  authority:
    description: File with the certificate of the authority that is to have signed them.
    type: path
    default: /etc/longshore/cluster/ca.crt
  renew_days:
    description: Days before its end at which a certificate is replaced.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: See whether the registry needs a certificate
  longshore.stack.ca_certificate:
    certificates:
      - path: /etc/longshore/registry/tls
        name: registry.longshore.internal
        sans: ["DNS:registry.longshore.internal"]
"""

RETURN = r"""
due:
  description: Those of O(certificates) that are to be signed.
  returned: success
  type: list
  elements: dict
requests:
  description: Path → C(request) and C(sans), for M(longshore.stack.ca_authority); in check mode without new keys'.
  returned: success
  type: dict
reasons:
  description: Path → why a certificate is due.
  returned: success
  type: dict
"""

from ansible_collections.longshore.stack.plugins.module_utils.ca_openssl import make_key, make_request, problem
from ansible_collections.longshore.stack.plugins.module_utils.host_change import Host, HostError
from ansible_collections.longshore.stack.plugins.module_utils.host_files import plan_files, read
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def converge(wanted: dict[str, Any], check: bool) -> dict[str, Any]:
    """See to all of them."""
    result: dict[str, Any] = {"changed": False, "due": [], "requests": {}, "reasons": {}}
    for each in wanted["certificates"]:
        changed, key = keep(each, check)
        result["changed"] |= changed
        if each["certificate"]:
            continue
        reason = problem(f"{each['path']}.crt", each["sans"], wanted["renew_days"], wanted["authority"])
        if reason:
            result["due"].append(each)
            result["reasons"][each["path"]] = reason
        if reason and key:
            result["requests"][each["path"]] = {"request": make_request(key, each["name"]), "sans": each["sans"]}
    return result


def keep(wanted: dict[str, Any], check: bool) -> tuple[bool, str]:
    """Write what is missing of one. Whether something changes, and its key, which is empty where it is to be made."""
    host = Host(check)
    key = (read(f"{wanted['path']}.key") or b"").decode()
    owned = {"owner": wanted["owner"], "group": wanted["group"], "triggers": []}
    files = [{"path": f"{wanted['path']}.key", "mode": wanted["mode"], "content": key, "secret": True, **owned}]
    if not key:
        # In check mode nothing is made: that the file is missing says enough.
        files[0]["content"] = "" if check else make_key()
    if wanted["certificate"]:
        crt = {"path": f"{wanted['path']}.crt", "mode": "0644", "content": wanted["certificate"]}
        files.append({**crt, **owned})
    changed = False
    for change in plan_files(files, host):
        changed = True
        if not check:
            change.apply()
    return changed, str(files[0]["content"])


def main() -> None:
    module = QuietModule(
        {
            "certificates": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "name": {"type": "str", "required": True},
                    "sans": {"type": "list", "elements": "str", "required": True},
                    "certificate": {"type": "str", "default": ""},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str", "default": "0600"},
                },
            },
            "authority": {"type": "path", "default": "/etc/longshore/cluster/ca.crt"},
            "renew_days": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    try:
        result = converge(module.params, module.check_mode)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
