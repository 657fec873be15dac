# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of PostgreSQL → what Patroni is told of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.plugin_utils.patroni_config import (
    changeable,
    dynamic,
    member,
    parameters,
    share_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Whose users and passwords a primary makes.
_TOLD = ("owner", "reader", "monitor", "replication", "rewind", "also")


def patroni_configs(  # noqa: PLR0917 - filters are called by name
    instances: Sequence[Mapping[str, Any]],
    member_name: str,
    etcd: Sequence[str],
    tls: Mapping[str, str],
    passwords: Mapping[str, Mapping[str, str]],
    timing: Mapping[str, int],
    size: Mapping[str, int],
    share: float,
) -> list[dict[str, Any]]:
    """Each instance with ``text`` (this member's file), ``dynamic`` (what all members share), ``settings`` and
    ``passwords``."""
    memory, processors = share_of(size, float(share), len(instances))
    result = []
    for instance in instances:
        shared = dynamic(instance, timing)
        settings = parameters(instance, tls, memory, processors)
        known = passwords[instance["name"]]
        text = member(instance, member_name, etcd, tls, known, shared, settings)
        keys = ("name", "version", "port", "health_port", "servers", "database")
        result.append(
            {
                **{key: instance[key] for key in keys},
                "also": list(instance.get("also") or []),
                "extensions": list(instance.get("extensions") or []),
                "passwords": {key: known[key] for key in _TOLD if key in known},
                "dynamic": shared,
                "text": text,
                "settings": changeable(instance, memory, processors),
            }
        )
    return result


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"patroni_configs": patroni_configs}
