# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a measurement is, and how the figures are written down."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured value beside its target. ``value`` is the median of ``runs``, or made of several."""

    name: str
    what: str
    unit: str
    value: float
    target: float
    runs: list[float] = field(default_factory=list)
    details: dict[str, float] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.value <= self.target

    def line(self) -> str:
        """The figure as text."""
        word = "ok" if self.met else "OVER"
        return f"{word:<5}{self.name:<22}{self.value:>8.2f} {self.unit:<6} target {self.target:g}"


def seconds(action: Callable[[], object]) -> float:
    """How long ``action`` takes."""
    began = time.monotonic()
    action()
    return time.monotonic() - began


def figure(name: str, what: str, target: float, runs: Sequence[float]) -> Figure:
    """Seconds: the median of several runs."""
    rounded = [round(run, 3) for run in runs]
    return Figure(name, what, "s", round(statistics.median(runs), 3), target, rounded)


def write(figures: Sequence[Figure], directory: Path) -> None:
    """``bench.json`` and ``bench.md``, with the machine and its load: absolute times mean nothing alone."""
    directory.mkdir(parents=True, exist_ok=True)
    machine = {
        "cores": os.cpu_count(),
        "load": [round(value, 1) for value in os.getloadavg()],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    document = {"machine": machine, "figures": [asdict(each) | {"met": each.met} for each in figures]}
    (directory / "bench.json").write_text(json.dumps(document, indent=2) + "\n")
    rows = [
        f"| {each.what} | {each.value:g} {each.unit} | ≤ {each.target:g} {each.unit} | {'yes' if each.met else 'no'} |"
        for each in figures
    ]
    details = [
        f"- {each.name}: " + ", ".join(f"{name} {value:g} s" for name, value in each.details.items())
        for each in figures
        if each.details
    ]
    text = [
        "# Speed",
        "",
        "<!-- Made by `make bench`; do not edit. -->",
        "",
        f"Measured on {machine['cores']} cores, Python {machine['python']}, on {machine['date']}; load at the end: "
        f"{machine['load'][0]}. The servers are containers on that machine. Medians; every run is in `bench.json`.",
        "",
        "| what | measured | target | met |",
        "|---|---|---|---|",
        *rows,
        *(["", "Where the time goes:", "", *details] if details else []),
    ]
    (directory / "bench.md").write_text("\n".join(text) + "\n")
