# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs of what a stack gives HAProxy beside backends and settings. Private to the collection.

The document fragment ``haproxy_edge`` and the module's own documentation describe them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIST: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
ROUTE_SPEC: dict[str, Any] = {
    "host": {"type": "str", "default": ""},
    "path": {"type": "str", "default": "/"},
    "backend": {"type": "str"},
    "sticky": {"type": "raw"},
    "match": {"type": "dict", "options": {"methods": _LIST, "headers": {"type": "dict", "default": {}}}},
    "rewrite": {"type": "str"},
    "redirect": {"type": "raw"},
    "allow": _LIST,
    "deny": _LIST,
    "auth": {"type": "raw"},
    "waf": {"type": "dict"},
    "request_headers": {"type": "dict"},
    "response_headers": {"type": "dict"},
}
PARTS_SPEC: dict[str, Any] = {
    "ports": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "port": {"type": "int", "required": True},
            "backend": {"type": "str", "required": True},
            "allow": _LIST,
            "deny": _LIST,
            "timeout": {"type": "float", "default": 0.0},
        },
    },
    "logins": {"type": "dict", "default": {}, "no_log": True},
    "pages": {"type": "dict", "default": {}},
    "maintenance": {
        "type": "dict",
        "default": {},
        "options": {"allow": _LIST, "retry_after": {"type": "int", "default": 300}},
    },
    "snippets": {"type": "dict", "default": {}},
}
