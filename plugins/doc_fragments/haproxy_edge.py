# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of haproxy_config beside routes, backends and settings."""

from __future__ import annotations


class ModuleDocFragment:
    """The parts of a stack's piece as ``module_utils/haproxy_edge.py`` takes them."""

    DOCUMENTATION = r"""
options:
  ports:
    description:
      - Ports of this server that pass TCP on, whatever is spoken on it.
      - One more or less needs a restart of HAProxy.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: The port, on all of the server's addresses.
        type: int
        required: true
      backend:
        description: A key of O(backends).
        type: str
        required: true
      allow:
        description: Addresses and networks that may connect; all when empty.
        type: list
        elements: str
        default: []
      deny:
        description: Addresses and networks that may not.
        type: list
        elements: str
        default: []
      timeout:
        description: Seconds that a connection may be silent. 0 for O(settings.timeout_tunnel).
        type: float
        default: 0.0
  logins:
    description:
      - Lists of people who may pass routes with C(auth) - by name, each a mapping of users to hashed passwords.
      - A password is hashed anew for each request, so one that is dear to hash (C($6$), C($2y$)) costs milliseconds
        each time. C(openssl passwd -5) makes one that is bearable.
    type: dict
    default: {}
  pages:
    description:
      - HTML instead of HAProxy's own answers for this stack's routes, by status (V(503)), and of the time of
        maintenance (V(maintenance)). Each has at most 14 KiB.
    type: dict
    default: {}
  maintenance:
    description: How this stack answers while it is under maintenance (module M(longshore.stack.haproxy_maintenance)).
    type: dict
    default: {}
    suboptions:
      allow:
        description: Addresses and networks that get in all the same.
        type: list
        elements: str
        default: []
      retry_after:
        description: After how many seconds others should ask again.
        type: int
        default: 300
  snippets:
    description:
      - Lines of HAProxy's configuration at the end of the sections C(global), C(defaults) (of HTTP) and C(frontend) (of
        HTTP), of each backend (C(backend), a mapping by its name), and whole sections (C(sections)).
      - HAProxy reads them before they go live; what it refuses changes nothing. They are no place for secrets.
    type: dict
    default: {}
"""
