# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of PostgreSQL → where each would have data of another version, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.module_utils.data_place import UNITS, unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Majors that there may be data of. 17 and 18 are what Debian 13 and 14 have.
MAJORS = tuple(str(number) for number in range(13, 20))


def postgresql_others(instances: Iterable[Mapping[str, Any]], upgraded: str = "") -> dict[str, str]:
    """Path → why nothing may be done while it is there. What was put aside after an upgrade has another name.

    ``upgraded`` is the instance that may have other data, since it is about to be upgraded.
    """
    return {
        path: _why(instance, other, bool(upgraded))
        for instance in instances
        for other in MAJORS
        if other != str(instance["version"]) and instance["name"] != upgraded
        for path in _paths(f"/var/lib/postgresql/{other}/{instance['name']}")
    }


def _paths(data: str) -> tuple[str, str]:
    """What is there with data: a file of theirs, and, where they are on a disk that may be away, their mount."""
    return f"{data}/PG_VERSION", f"{UNITS}/{unit_of(data)}"


def _why(instance: Mapping[str, Any], other: str, upgrading: bool) -> str:
    title = instance.get("title") or instance["name"]
    cure = (
        f"One database is upgraded at a time: write version {other} for {title} until then"
        if upgrading
        else f"An upgrade takes a command: longshore db upgrade {title} --major {instance['version']}"
    )
    return (
        f"the data of {instance['name']} are PostgreSQL {other}'s, and version {instance['version']} is asked for. "
        f"{cure}. Nothing was changed"
    )


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"postgresql_others": postgresql_others}
