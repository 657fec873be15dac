# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that a stack has already: what its releases name, what runs when nothing new can be built, and the list on
each server that pruning goes by.

Private to the collection.
"""

from __future__ import annotations

import os

from ansible_collections.longshore.stack.plugins.module_utils import releases
from ansible_collections.longshore.stack.plugins.module_utils.image_reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ansible_collections.longshore.stack.plugins.module_utils.swarm_state import State

ROOT = "/var/lib/longshore"


def recorded(state: State) -> list[str]:
    """The images of all kept releases."""
    kept = releases.kept_numbers(state.records)
    return sorted({_image(one["spec"]) for number in kept for one in state.records[number]["services"].values()})


def standing(state: State, services: Iterable[str]) -> dict[str, dict[str, Any]]:
    """By service what it runs now, or ran in the newest release that has it: ``image``, ``digest`` and ``commit``, as
    a build gives them. A service that has never run is left out."""
    found = {}
    for service in services:
        past = [
            state.records[number]["services"][service]
            for number in releases.kept_numbers(state.records)
            if service in state.records[number]["services"]
        ]
        # What a run left that never recorded its release was perhaps never seen to work.
        if service in state.services and not state.unfinished(service):
            image = _image(state.services[service]["Spec"])
        elif past:
            image = _image(past[0]["spec"])
        else:
            continue
        commits = [one.get("commit") for one in past if _image(one["spec"]) == image]
        found[service] = {
            "image": image,
            "digest": Reference.parse(image).digest,
            "commit": next(iter(commits), None) or "",
            "built": False,
            "seconds": 0.0,
        }
    return found


class SparedImages:
    """The file by which a server's pruning knows what releases of a stack may still need, one reference a line."""

    def __init__(self, stack: str, root: str = ROOT) -> None:
        self.path = os.path.join(root, stack, "images")
        self.lines: list[str] = []
        if os.path.exists(self.path):
            with open(self.path) as file:
                self.lines = file.read().split()

    def wanted(self, images: Iterable[str]) -> list[str]:
        """What is to stand there. A list that names more is left alone: with each release an older one ends, and its
        images leave the list when others come into it."""
        needed = sorted(set(images))
        return self.lines if set(needed) <= set(self.lines) else needed

    def write(self, lines: Iterable[str]) -> None:
        """Replace the file at once."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        with open(f"{self.path}.new", "w") as file:
            file.write(as_text(lines))
            os.fchmod(file.fileno(), 0o644)
        os.replace(f"{self.path}.new", self.path)

    def difference(self, lines: Iterable[str]) -> dict[str, str]:
        """Ansible's diff."""
        return {
            "before_header": self.path,
            "after_header": self.path,
            "before": as_text(self.lines),
            "after": as_text(lines),
        }


def as_text(lines: Iterable[str]) -> str:
    """One reference a line."""
    return "".join(f"{line}\n" for line in lines)


def _image(spec: Mapping[str, Any]) -> str:
    return str(spec["TaskTemplate"]["ContainerSpec"]["Image"])
