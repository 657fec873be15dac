#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: acme_account
short_description: The key of an ACME account, the same on all load balancers
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - A P-256 key, readable by root alone. It is made once; the other servers are given it.
  - HAProxy on this server, where it serves certificates, answers challenges for that account from then on.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: The key is secret.
options:
  path:
    description: File of the key.
    type: path
    default: /etc/longshore/certificates/account.key
  key:
    description: The key as another server has it, as PEM. It is written where the file holds another.
    type: str
    default: ""
  make:
    description: Whether to make a key when there is none, here and in O(key).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Read the account's key
  longshore.stack.acme_account:
  register: account
  no_log: true
"""

RETURN = r"""
key:
  description: The key after this run, empty when there is none. Secret.
  returned: success
  type: str
"""

import os

from ansible_collections.longshore.stack.plugins.module_utils.haproxy_certificates import (
    CertificateError,
    differs,
    openssl,
    publish_thumbprint,
    read,
    write,
)
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule


def make_key() -> str:
    """A new key in the form that lego reads."""
    return openssl(["ecparam", "-name", "prime256v1", "-genkey", "-noout"])


def main() -> None:
    module = QuietModule(
        {
            "path": {"type": "path", "default": "/etc/longshore/certificates/account.key"},
            "key": {"type": "str", "default": "", "no_log": True},
            "make": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
        no_log=True,
    )
    path, asked = module.params["path"], {"module_args": {"path": module.params["path"]}}
    try:
        key = module.params["key"] or read(path)
        made = not key and module.params["make"]
        if made and not module.check_mode:
            key = make_key()
        changed = made or bool(key and differs(path, key, 0o600, 0))
        if changed and not module.check_mode:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            write(path, key, 0o600, 0)
        if key and not module.check_mode:
            # On all load balancers before anybody asks the authority, which may ask any of them.
            publish_thumbprint(key)
    except (CertificateError, OSError) as error:
        module.fail_json(msg=str(error), invocation=asked)
    module.exit_json(changed=changed, key=key, invocation=asked)


if __name__ == "__main__":
    main()
