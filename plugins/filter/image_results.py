# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image tasks of several hosts found, as one."""

from __future__ import annotations

DOCUMENTATION = r"""
name: image_results
short_description: Merge what hosts have resolved and built
version_added: 0.1.0
author: The Longshore founders (@longshore)
description:
  - M(longshore.stack.image_resolve) and M(longshore.stack.image_build) work on one host each. This
    merges what they registered there into what the services need.
options:
  _input:
    description: Host variables of the hosts, with C(images_resolved) or C(build_result).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the images
  ansible.builtin.debug:
    msg: "{{ groups['builder'] | map('extract', hostvars) | longshore.stack.image_results }}"
"""

RETURN = r"""
_value:
  description: C(images), C(configs) and C(commits), each by service.
  type: dict
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def image_results(hosts: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Service → pinned image, → what the image says of itself, → Git commit."""
    merged: dict[str, dict[str, Any]] = {"images": {}, "configs": {}, "commits": {}}
    for known in hosts:
        for variable in ("images_resolved", "build_result"):
            result = known.get(variable) or {}
            for service, found in (result.get("images") or {}).items():
                if found.get("image"):
                    merged["images"][service] = found["image"]
                if found.get("commit"):
                    merged["commits"][service] = found["commit"]
            merged["configs"].update(result.get("configs") or {})
    return merged


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Any]:
        """By name."""
        return {"image_results": image_results}
