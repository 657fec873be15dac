# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What BuildKit says, read: the step that failed, its exit code, its last words.

Private to the collection. Pure.
"""

from __future__ import annotations

import re
from collections import deque

LAST_LINES = 20
_ANNOUNCED = re.compile(r"#(\d+) (?:\[(?P<stage>[^\]]+)\] )?(?P<rest>.*)")
_OUTPUT = re.compile(r"#(\d+) (\d+\.\d+) (.*)")
_FAILED = re.compile(r"#(\d+) ERROR: (.*)")
_PLACE = re.compile(r"(?P<file>[^\s:]+):(?P<line>\d+)$")
_EXIT = re.compile(r"did not complete successfully: exit code: (\d+)")
_SOLVE = re.compile(r"ERROR: (?:failed to solve: )?(.*)")


class BuildLog:
    """The output of ``docker buildx build --progress=plain``, fed line by line."""

    def __init__(self) -> None:
        self._steps: dict[str, str] = {}
        self._output: dict[str, deque[str]] = {}
        self._all: deque[str] = deque(maxlen=LAST_LINES)
        self._failed = ""
        self._error = ""
        self._place = ""

    def feed(self, line: str) -> None:
        """Take one line."""
        if line.strip():
            self._all.append(line)
        output = _OUTPUT.fullmatch(line)
        if output:
            self._output.setdefault(output[1], deque(maxlen=LAST_LINES)).append(output[3])
            return
        failed = _FAILED.fullmatch(line)
        if failed:
            # The first that fails is the cause; others are ended because of it and say so.
            if not self._failed and "context canceled" not in failed[2].lower():
                self._failed, self._error = failed[1], failed[2]
            return
        announced = _ANNOUNCED.fullmatch(line)
        if announced:
            if announced["stage"]:
                self._steps.setdefault(announced[1], f"[{announced['stage']}] {announced['rest']}")
            return
        place = _PLACE.fullmatch(line)
        if place:
            self._place = line
            return
        solved = _SOLVE.fullmatch(line)
        if solved and not self._error:
            self._error = solved[1]

    @property
    def exit_code(self) -> int | None:
        """Exit code of the command in the Dockerfile that failed; None when it was something else."""
        found = _EXIT.search(self._error)
        return int(found[1]) if found else None

    @property
    def step(self) -> str:
        """The step that failed, as BuildKit names it: ``[web 3/4] RUN make``; empty when it failed outside of one."""
        return self._steps.get(self._failed, "")

    @property
    def cause(self) -> str:
        """Why the build failed, in one line: step, place in the Dockerfile and exit code or error."""
        parts = [self.step, f"({self._place})" if self._place else ""]
        where = " ".join(part for part in parts if part)
        what = f"exit code {self.exit_code}" if self.exit_code is not None else self._error
        return ": ".join(part for part in (where, what) if part) or "it ended without saying why"

    @property
    def last_lines(self) -> list[str]:
        """The last lines of the failed step's output; without any, of all that was said."""
        return list(self._output.get(self._failed) or self._all)
