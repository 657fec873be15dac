# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each stack of a server says of the settings that all of them share, so that no stack undoes another's.

Private to the collection. Each stack has a file of its own, which the others read, and which goes with its stack.
"""

from __future__ import annotations

import glob
import json
import os
import re

from .host_change import HostError
from .host_files import plan_files, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .host_change import Change, Host

ROOT = "/etc/longshore"
FILE = "cluster.json"
# Of a value in a message. A list of keys is long, and its beginning tells which one it is.
SHOWN = 80


class Conflict(HostError):
    """Another stack says otherwise; ``stacks`` names those that do."""

    def __init__(self, message: str, stacks: list[str]) -> None:
        super().__init__(message)
        self.stacks = stacks


def check(stack: str, says: Mapping[str, Any], root: str = ROOT) -> None:
    """Raise ``Conflict`` when another stack of this server says something else of a setting; changes nothing."""
    found = {other: differences(stack, says, other, theirs) for other, theirs in _others(stack, root).items()}
    stacks = sorted(other for other, lines in found.items() if lines)
    if not stacks:
        return
    gone = ", ".join(_path(root, each) for each in stacks)
    raise Conflict(
        f"stacks that share this server differ: {'; '.join(line for other in stacks for line in found[other])}. "
        "Write the same into each stack file; to change it for all of them, run `longshore up --yes-cluster-wide` and "
        f"write it into the other file too. Of a stack that is gone, remove {gone}. "
        "Nothing on this server was touched.",
        stacks,
    )


def plan(stack: str, says: Mapping[str, Any], instead: bool, host: Host, root: str = ROOT) -> Iterator[Change]:
    """Changes that write down what ``stack`` says; with ``instead`` other stacks no longer say what differs from it."""
    wanted = {stack: {key: value for key, value in says.items() if value is not None}}
    for other, theirs in _others(stack, root).items() if instead else ():
        kept = {key: value for key, value in theirs.items() if says.get(key, value) in (value, None)}
        if kept != theirs:
            wanted[other] = kept
    owned = {"owner": str(os.getuid()), "group": str(os.getgid()), "mode": "0600", "triggers": []}
    for name, statement in sorted(wanted.items()):
        content = json.dumps(statement, indent=2, sort_keys=True) + "\n"
        yield from plan_files([{"path": _path(root, name), "content": content, **owned}], host)


def differences(stack: str, says: Mapping[str, Any], other: str, theirs: Mapping[str, Any]) -> list[str]:
    """A line for each setting of which both speak and on which they differ; of a mapping only the parts that do."""
    found = []
    for key in sorted(says.keys() & theirs.keys()):
        mine, other_value = says[key], theirs[key]
        if mine is None or other_value is None or mine == other_value:
            continue
        if isinstance(mine, dict) and isinstance(other_value, dict):
            parts = [
                (f"{key}.{part}", mine.get(part), other_value.get(part))
                for part in sorted(mine.keys() | other_value.keys())
                if mine.get(part) != other_value.get(part)
            ]
        else:
            parts = [(key, mine, other_value)]
        found += [f"{name}: {stack} says {_shown(a)}, {other} says {_shown(b)}" for name, a, b in parts]
    return found


def _others(stack: str, root: str) -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted(glob.glob(_path(glob.escape(root), "*"))):
        name = os.path.basename(os.path.dirname(path))
        if name == stack:
            continue
        try:
            found[name] = dict(json.loads(read(path) or b"{}"))
        except ValueError as error:
            raise HostError(
                f"{path} is not what Longshore wrote: remove it, and run `longshore up` of {name}"
            ) from error
    return found


def _path(root: str, stack: str) -> str:
    return os.path.join(root, stack, FILE)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    # The address of a proxy or a mirror may hold a password.
    text = re.sub(r"//[^/@\s\"]*@", "//…@", text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
