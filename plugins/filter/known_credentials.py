# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several hosts keep as credentials, as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError
from ansible_collections.longshore.stack.plugins.module_utils.host_change import HostError
from ansible_collections.longshore.stack.plugins.module_utils.host_credentials import further

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def known_credentials(
    reports: Iterable[Mapping[str, Mapping[str, str]]], sets: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, str]]:
    """Set → name → value: of all hosts' ``stored`` those that go on."""
    known: dict[str, dict[str, str]] = {}
    for report in reports:
        for name, values in report.items():
            merged = known.setdefault(name, {})
            forms = (sets.get(name) or {}).get("names") or {}
            for value, text in values.items():
                try:
                    merged[value] = further(value, forms.get(value) or {}, merged.get(value, text), text)
                except HostError as error:
                    raise AnsibleFilterError(str(error)) from error
    return known


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"known_credentials": known_credentials}
