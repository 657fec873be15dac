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
  description:
    - C(images), C(configs) and C(commits), each by service; C(recorded), the images that kept releases name, null
      when nobody has looked; C(obstacles), why these hosts have built nothing; C(dead), those of them whose engine
      does not answer.
  type: dict
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def image_results(hosts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Service → pinned image, → what the image says of itself, → Git commit, and what else the hosts have found."""
    merged: dict[str, Any] = {"images": {}, "configs": {}, "commits": {}}
    recorded: dict[str, None] | None = None
    obstacles: dict[str, None] = {}
    dead: dict[str, None] = {}
    here: dict[str, Any] = {}
    for known in hosts:
        name, build = known.get("inventory_hostname", ""), known.get("build_result")
        unable = build.get("unable") or [] if build else []
        obstacles.update({f"{each['server']}: {each['why']}": None for each in unable})
        if not build:
            obstacles[f"{name} does not answer"] = None
        dead.update({each["server"]: None for each in unable if each.get("cause") == "engine"})
        found_records = (known.get("images_resolved") or {}).get("recorded")
        if found_records is not None:
            recorded = {**(recorded or {}), **dict.fromkeys(found_records)}
        here.update((known.get("images_result") or {}).get("configs") or {})
        for variable in ("images_resolved", "build_result"):
            result = known.get(variable) or {}
            for service, found in (result.get("images") or {}).items():
                if found.get("image"):
                    merged["images"][service] = found["image"]
                if found.get("commit"):
                    merged["commits"][service] = found["commit"]
            merged["configs"].update(result.get("configs") or {})
    for service, image in merged["images"].items():
        if image in here:
            merged["configs"].setdefault(service, here[image])
    return {
        **merged,
        "recorded": None if recorded is None else list(recorded),
        "obstacles": list(obstacles),
        "dead": list(dead),
    }


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, Any]:
        """By name."""
        return {"image_results": image_results}
