#!/usr/bin/python
# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: acme_certificates
short_description: Have this load balancer's ACME certificates, or tell of them
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - Lets the keeper that the role C(certificates) has installed look at once, and not only when its timer does, when a
    certificate is missing, due or could not be had before. It takes what another load balancer has, and asks the
    authority for the rest.
  - A certificate that can't be had is no failure, since HAProxy serves what it has; RV(notices) says so.
attributes:
  check_mode:
    support: full
    description: Can run in check mode and tell what a real run would change.
  diff_mode:
    support: none
    description: What another load balancer or the authority will give is not known before.
options:
  state:
    description: V(status) only tells.
    type: str
    choices: [renewed, status]
    default: renewed
"""

EXAMPLES = r"""
- name: Have the certificates now
  longshore.stack.acme_certificates:
"""

RETURN = r"""
certificates:
  description: What there is.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The stack's name, a dot, and the certificate's.
      type: str
    names:
      description: The host names it is for.
      type: list
      elements: str
    issuer:
      description: Who signed it.
      type: str
    ends:
      description: When it ends.
      type: str
    due:
      description: Why it is to be renewed, if it is.
      type: str
    alarm:
      description: Whether it is missing, or ends so soon that renewing must have failed for long.
      type: bool
    error:
      description: Why it could not be renewed, if so.
      type: str
    next:
      description: When that is tried again.
      type: str
notices:
  description: Certificates that could not be had, and why. A run with notices ends degraded.
  returned: success
  type: list
  elements: str
"""

import json
import os

from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError, attempt, run
from ansible_collections.longshore.stack.plugins.module_utils.quiet_module import QuietModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KEEPER = ("/usr/bin/python3", "/usr/lib/longshore/certificates/keeper.py")
# Seconds: each certificate may take minutes, and so may another load balancer that has the lease.
MOST = 1800.0


def status() -> list[dict[str, Any]]:
    """What the keeper tells. Raises ``HostError``."""
    told: list[dict[str, Any]] = json.loads(run([*KEEPER, "status"]))
    return told


def notices(certificates: list[dict[str, Any]]) -> list[str]:
    """What is wrong with them, with the cure."""
    return [
        f"no certificate for {', '.join(each['names'])}: {each['error'] or each['due']}; it is asked for again "
        f"{'at ' + each['next'] if each['next'] else 'within the hour'}, or now by 'longshore up'"
        for each in certificates
        if each["error"] or each["alarm"]
    ]


def main() -> None:
    module = QuietModule(
        {"state": {"type": "str", "choices": ["renewed", "status"], "default": "renewed"}}, supports_check_mode=True
    )
    if module.check_mode and not os.path.exists(KEEPER[1]):
        module.exit_json(changed=module.params["state"] == "renewed", certificates=[], notices=[])
    try:
        before = status()
        wanted = module.params["state"] == "renewed" and any(each["due"] for each in before)
        if wanted and not module.check_mode:
            # Its exit code says that something went wrong; what, the status says.
            attempt([*KEEPER, "renew", "--now"], timeout=MOST)
        after = status() if wanted else before
    except (HostError, ValueError) as error:
        module.fail_json(msg=str(error))
    changed = wanted and (module.check_mode or before != after)
    module.exit_json(changed=changed, certificates=after, notices=notices(after) if not module.check_mode else [])


if __name__ == "__main__":
    main()
