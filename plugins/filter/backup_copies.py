# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of a repository of backups → what who makes them is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.longshore.stack.plugins.plugin_utils.rclone_config import copies

if TYPE_CHECKING:
    from collections.abc import Callable


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"backup_copies": copies}
