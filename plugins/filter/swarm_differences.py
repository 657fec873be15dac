# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between a Swarm's nodes and what is wanted of them; documented in the file beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.longshore.stack.plugins.module_utils.swarm_plan import SwarmError, differences

if TYPE_CHECKING:
    from collections.abc import Callable


def swarm_differences(
    report: dict[str, Any], nodes: list[dict[str, Any]], label_prefix: str, settings: dict[str, Any], managers: int = 0
) -> list[str]:
    """A few words for each difference; raises when a server belongs to another Swarm."""
    try:
        found = differences(report["nodes"], report["settings"], nodes, label_prefix, settings, managers=managers)
    except SwarmError as error:
        raise AnsibleFilterError(str(error)) from error
    return [difference["what"] for difference in found]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Their names."""
        return {"swarm_differences": swarm_differences}
