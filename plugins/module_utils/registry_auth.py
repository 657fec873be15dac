# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry credentials as the engine wants them.

Private to the collection. Pure functions.
"""

from __future__ import annotations

import base64
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

HUB = "docker.io"
AUTH_SPEC: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "no_log": False,
    "options": {
        "registry": {"type": "str", "required": True},
        "username": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
    },
}


def by_registry(logins: Iterable[Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """A module's ``registry_auth`` as registry → ``username`` and ``password``."""
    return {login["registry"]: login for login in logins}


def registry_of(image: str) -> str:
    """The registry that an image reference names; Docker Hub when it names none."""
    first, slash, _path = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else HUB


def auth_header(image: str, auth: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The header for calls about ``image``; empty when there are no credentials for its registry."""
    registry = registry_of(image)
    found = auth.get(registry)
    if not found:
        return {}
    content = {"username": found["username"], "password": found["password"], "serveraddress": registry}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(content).encode()).decode()}
