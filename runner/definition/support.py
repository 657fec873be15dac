# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the schema has but nothing does yet. Take a line out when its behaviour is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Path in the file (``*``: every name or item; ``key=value``: that value) → what is missing.
NOT_YET: dict[tuple[str, ...], str] = {
    ("jobs",): "scheduled jobs",
    ("failover",): "DNS failover",
    ("monitoring",): "vital signs",
    ("servers", "*", "public_address"): "public names of servers",
    ("servers", "*", "public_address6"): "public names of servers",
    ("networks", "*", "subnet"): "subnets of networks",
    ("docker", "version"): "a certain version of Docker's packages",
    ("swarm", "certificate_expiry"): "the lifetime of node certificates",
    ("unattended_upgrades", "reboot"): "restarts after upgrades",
    ("unattended_upgrades", "reboot_time"): "restarts after upgrades",
    ("volumes", "*", "backup"): "backups of volumes",
    ("volumes", "*", "nfs"): "NFS volumes",
    ("volumes", "*", "servers"): "shared volumes",
    ("volumes", "*", "type=shared"): "shared volumes",
    ("volumes", "*", "type=nfs"): "NFS volumes",
}


def not_yet(data: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Places in ``data`` that ask for what is not built, with the error's words."""
    for pattern, what in NOT_YET.items():
        for path in _matches(data, pattern, ()):
            yield path, f"{what}: not supported yet" if pattern[-1:] != path[-1:] else "not supported yet"


def _matches(data: Any, pattern: tuple[str, ...], path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if not pattern:
        yield path
        return
    first, rest = pattern[0], pattern[1:]
    if not isinstance(data, dict):
        return
    if first == "*":
        for name, item in data.items():
            yield from _matches(item, rest, (*path, name))
    elif "=" in first:
        name, _, value = first.partition("=")
        if data.get(name) == value:
            yield (*path, name)
    elif data.get(first) is not None:
        yield from _matches(data[first], rest, (*path, first))
