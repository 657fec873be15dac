# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make test``: the parts of ``tests/parts.toml``, each with its time, on labs that are gone afterwards.

``python tests/run PART...`` runs some of them, ``list`` names them; ``KEEP=1`` keeps the labs. Exit 1: one failed.
"""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType

from labs import Engine, Servers
from parts import Part, load, stages
from programs import STOPPED, end_all, perform

# Lines of Ansible, pytest and of an exception that say what failed, and how much of each is told.
TELLING = re.compile(r"fatal:|FAILED|^\S*(Error|Exception)\b|^E  ")
LONGEST = 400


@dataclass
class Result:
    """What became of a part: ``failed`` has a text for each of its commands and scenarios that failed."""

    part: Part
    failed: list[str] = field(default_factory=lambda: ["interrupted"])
    seconds: float = 0.0

    @property
    def word(self) -> str:
        """As the table has it."""
        return "FAILED" if self.failed else "ok"


def main(names: Sequence[str]) -> int:
    """Run the named parts, or all."""
    parts = load()
    if list(names) == ["list"]:
        print("\n".join(f"{part.name:<12}{part.minutes:>3} min" for part in parts))
        return 0
    unknown = set(names) - {part.name for part in parts}
    if unknown:
        print(f"no such part: {', '.join(sorted(unknown))}; there are: {', '.join(part.name for part in parts)}")
        return 2
    results: list[Result] = []
    left = False
    began = time.monotonic()
    engine = Engine()
    try:
        in_turn([part for part in parts if (part.name in names if names else not part.long)], results)
    finally:
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, signal.SIG_IGN)  # taking the labs away must not be interrupted
        left = engine.leave()
        report(results, time.monotonic() - began)
        if not left:
            print("FAILED: the Docker engine could not be stopped", flush=True)
    return int(not left or any(result.failed for result in results))


def in_turn(parts: Sequence[Part], results: list[Result]) -> None:
    """Run one stage after the other; what runs in the background goes on beside them. An interruption ends all."""
    threads: list[threading.Thread] = []
    try:
        for background, lanes in stages(parts):
            stage = started(list(lanes.items()), results)
            threads += stage
            for thread in [] if background else stage:
                thread.join()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        end_all()
        for thread in threads:
            thread.join()
        raise


def started(lanes: Sequence[tuple[str, Sequence[Part]]], results: list[Result]) -> list[threading.Thread]:
    """A thread for each lane."""
    threads = [threading.Thread(target=run_lane, args=(lane, parts, results)) for lane, parts in lanes if parts]
    for thread in threads:
        thread.start()
    return threads


def run_lane(lane: str, parts: Sequence[Part], results: list[Result]) -> None:
    """Run the parts of one lane, one after the other, on a lab of its own."""
    servers = Servers(lane)
    done = [Result(part) for part in parts]
    results.extend(done)
    for result in done:
        part = result.part
        if STOPPED.is_set():
            break
        print(f"=== {part.name}", flush=True)
        began = time.monotonic()
        if servers.ready(part):
            result.failed = perform(part, servers.name, f"{part.name:<11}")
        else:
            result.failed = ["its lab did not come up"]
        result.seconds = time.monotonic() - began
        print(f"=== {part.name}: {result.word} in {result.seconds / 60:.1f} min", flush=True)
    if not servers.leave():
        done[-1].failed.append(f"the lab {servers.name} could not be taken away")


def report(results: Sequence[Result], seconds: float) -> None:
    """What failed, and the table, closed by the line that CI reads."""
    for result in results:
        for text in result.failed:
            print(f"\nFAILED in {result.part.name}: {text}")
    print(f"\n{'part':<12}{'result':<8}{'minutes':>8}{'planned':>9}")
    for result in results:
        print(f"{result.part.name:<12}{result.word:<8}{result.seconds / 60:>8.1f}{result.part.minutes:>9}")
    print(f"{'together':<20}{seconds / 60:>8.1f}")
    # Once more after the table: of a long output the end is what stays.
    for result in results:
        for text in result.failed:
            print(f"FAILED in {result.part.name}: {essence(text)}")
    failed = sum(bool(result.failed) for result in results)
    print(f"{len(results) - failed} passed, {failed} failed", flush=True)


def essence(text: str) -> str:
    """Of the output of what failed: which it was, and the last lines that speak of a failure."""
    which, *lines = text.splitlines()
    telling = [line[:LONGEST] for line in lines if TELLING.search(line)]
    return "\n  ".join([which, *telling[-3:]])


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Take the labs away on SIGTERM as on Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
