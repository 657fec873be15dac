# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cron expressions as systemd has them, and how far apart their moments are."""

from __future__ import annotations

import pytest
from longshore.definition.schedule import longest_gap, on_calendar

HOUR = 3600.0


@pytest.mark.parametrize(
    ("cron", "calendar", "gap"),
    [
        ("@hourly", "*-*-* *:0:00", HOUR),
        ("15 3 * * *", "*-*-* 3:15:00", 24 * HOUR),
        ("*/10 2-4 * * 1-5", "Mon,Tue,Wed,Thu,Fri *-*-* 2..4:0/10:00", 69 * HOUR + 600),
        ("0 3 1,15 * *", "*-*-1,15 3:0:00", 17 * 24 * HOUR),
        ("30 1-23/2 * * *", "*-*-* 1..23/2:30:00", 2 * HOUR),
        ("0 0 * * 7", "Sun *-*-* 0:0:00", 7 * 24 * HOUR),
        ("@monthly", "*-*-1 0:0:00", 31 * 24 * HOUR),
    ],
)
def test_a_schedule(cron: str, calendar: str, gap: float) -> None:
    assert on_calendar(cron) == calendar
    assert longest_gap(cron) == gap


@pytest.mark.parametrize(
    "cron",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "0 0 0 * *", "5-1 * * * *", "*/0 * * * *", "5/2 * * * *", "0 0 1 * 1"],
)
def test_what_is_none(cron: str) -> None:
    with pytest.raises(ValueError, match=r"cron|names a day"):
        on_calendar(cron)
