# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``tests/parts.toml`` says: which parts there are, and which of them run beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Part:
    """One entry of ``tests/parts.toml``, which says what the fields mean."""

    name: str
    minutes: float
    lane: str = ""
    background: bool = False
    nice: int = 0
    lab: int = 0
    fresh: bool = False
    long: bool = False
    scenarios: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = field(default=())


Lanes = dict[str, list[Part]]


def load() -> list[Part]:
    """All parts, in order, with ``*`` resolved."""
    entries = tomllib.loads((ROOT / "tests/parts.toml").read_text())["part"]
    there = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
    named = {name for entry in entries for name in entry.get("scenarios", [])}
    parts = []
    for entry in entries:
        scenarios = entry.pop("scenarios", [])
        rest = [name for name in there if name not in named] if "*" in scenarios else []
        commands = tuple(tuple(command) for command in entry.pop("commands", []))
        parts.append(Part(**entry, scenarios=(*(name for name in scenarios if name != "*"), *rest), commands=commands))
    return parts


def stages(parts: Sequence[Part]) -> Iterator[tuple[bool, Lanes]]:
    """One stage after the other, in each the lanes that run side by side; and whether it runs in the background.

    Parts that have a lane and follow each other make one stage, and so do those in the background; another part is a
    stage of its own.
    """
    for (shared, background), stage in groupby(parts, key=lambda part: (bool(part.lane), part.background)):
        for together in [list(stage)] if shared or background else [[part] for part in stage]:
            lanes: Lanes = {}
            for part in together:
                lanes.setdefault(part.lane, []).append(part)
            yield background, lanes
