# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a RabbitMQ has to hold, whoever of its servers is told: virtual host, users, feature flags.

Private to the collection.
"""

from __future__ import annotations

import functools

from .host_change import Change
from .rabbitmq_api import is_hash_of, tags_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from .rabbitmq_api import Management


def plan(management: Management, place: Mapping[str, Any]) -> Iterator[Change]:
    """Changes; ``place`` is what the file of the instance says: ``vhost``, ``queue_type``, ``users``, ``unwanted``."""
    change = functools.partial(_doing, management)
    vhost = place["vhost"]
    found = management.get("vhosts", vhost)
    wanted = {"default_queue_type": place["queue_type"]}
    if found is None or found.get("default_queue_type") != place["queue_type"]:
        yield Change(f"virtual host {vhost}", change("PUT", "vhosts", vhost, body=wanted))
    for name, user in place["users"].items():
        known = management.get("users", name)
        if known is None or not _same(known, user):
            body = {"password": user["password"], "tags": ",".join(user["tags"])}
            yield Change(f"user {name}", change("PUT", "users", name, body=body))
        allowed = management.get("permissions", vhost, name) or {}
        if any(allowed.get(kind) != pattern for kind, pattern in user["permissions"].items()):
            yield Change(f"permissions of {name}", change("PUT", "permissions", vhost, name, body=user["permissions"]))
    for name in place["unwanted"]:
        # Its sessions end with it.
        if management.get("users", name) is not None:
            yield Change(f"no user {name}", change("DELETE", "users", name))
    for flag in _flags(management):
        yield Change(f"feature {flag}", change("PUT", "feature-flags", flag, "enable", body={}))


def _doing(management: Management, method: str, *parts: str, body: Any = None) -> Callable[[], None]:
    return lambda: management.change(method, *parts, body=body)


def _same(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return tags_of(known) == sorted(wanted["tags"]) and is_hash_of(
        str(known.get("password_hash") or ""), wanted["password"]
    )


def _flags(management: Management) -> list[str]:
    """Those that a new version brings; all servers have to be there for them."""
    if not all(node.get("running") for node in management.get("nodes") or []):
        return []
    found = management.get("feature-flags") or []
    return [each["name"] for each in found if each["state"] == "disabled" and each["stability"] != "experimental"]
