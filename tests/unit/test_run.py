# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How ``make test`` tells what failed."""

from __future__ import annotations

import sys
import time

import pytest
from programs import program


@pytest.mark.parametrize(
    "line",
    [
        "E       assert 1 == 2",
        "\x1b[2m│\x1b[0m \x1b[31mE       assert 1 == 2\x1b[0m",
        "tests/test_haproxy.py:209: AssertionError",
        "FAILED tests/test_haproxy.py::test_routes - assert 1 == 2",
        "fatal: [app1]: FAILED! => {}",
    ],
)
def test_the_cause_is_told_however_much_follows(line: str) -> None:
    script = f"print({line!r}); print('noise\\n' * 200, end=''); raise SystemExit(1)"
    run = program("tests/run/programs.py").Program([sys.executable, "-c", script], {}, 0, None)
    assert not run.succeeds(time.monotonic() + 60)
    told = run.end_of_output.splitlines()
    assert told[0] == line
    assert told[-1] == "noise"
