# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a server is, where a container is one too."""

from __future__ import annotations

import pytest
from ansible_collections.longshore.stack.plugins.modules.host_size import memory

MEMINFO = "MemFree:         100 kB\nMemTotal:        8192 kB\nSwapTotal:       99999 kB\n"
KERNEL = 8192 * 1024


@pytest.mark.parametrize(
    ("meminfo", "limits", "expected"),
    [
        (MEMINFO, ["", ""], KERNEL),
        (MEMINFO, ["max\n", ""], KERNEL),
        # What control groups of the first version say when there is no limit.
        (MEMINFO, ["", "9223372036854771712\n"], KERNEL),
        (MEMINFO, ["1048576\n", ""], 1048576),
        (MEMINFO, ["4194304\n", "2097152\n"], 2097152),
        ("", ["1048576\n"], 1048576),
        ("", ["max"], 0),
    ],
)
def test_the_least_of_what_there_is_and_what_may_be_used(meminfo: str, limits: list[str], expected: int) -> None:
    assert memory(meminfo, limits) == expected
