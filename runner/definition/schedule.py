# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When something happens: cron expressions, and what systemd's timers call the same."""

from __future__ import annotations

import datetime
import itertools
import re
from typing import Annotated

from .base import TEXT, Short

_WORDS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
# Name → lowest and highest number (crontab(5)).
_FIELDS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "day of the week": (0, 7)}
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_PART = re.compile(r"(\*|\d{1,2})(?:-(\d{1,2}))?(?:/(\d{1,2}))?")


def on_calendar(expression: str) -> str:
    """A cron expression as systemd.time(7) has it. Raises ValueError with what is wrong."""
    fields = _WORDS.get(expression, expression).split()
    if len(fields) != 5:
        raise ValueError('must be a cron expression such as "15 3 * * *", or @hourly, @daily, @weekly, @monthly')
    minute, hour, day, month, weekday = (_field(text, name) for text, name in zip(fields, _FIELDS, strict=True))
    if day != "*" and weekday != "*":
        raise ValueError("names a day of the month and of the week: cron takes either, which is rarely meant")
    prefix = "" if weekday == "*" else f"{weekday} "
    return f"{prefix}*-{month}-{day} {hour}:{minute}:00"


def _field(text: str, name: str) -> str:
    parts = [_part(part, name) for part in text.split(",")]
    return "*" if "*" in parts else ",".join(parts)


def _part(text: str, name: str) -> str:
    low, high = _FIELDS[name]
    found = _PART.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text[:20]}' is no {name} of a cron expression")
    first, last, step = found[1], found[2], found[3]
    numbers = [int(number) for number in (first, last) if number and number != "*"]
    if any(not low <= number <= high for number in numbers) or numbers != sorted(numbers) or step == "0":
        raise ValueError(f"'{text[:20]}' is no {name} of a cron expression: {low} to {high}")
    if (first == "*" and last) or (step and first != "*" and not last):
        raise ValueError(f"'{text[:20]}' is no {name} of a cron expression")
    if name == "day of the week":
        return _weekday(numbers, step)
    if first == "*":
        return f"{low}/{step}" if step else "*"
    shown = f"{int(first)}..{int(last)}" if last else str(int(first))
    return f"{shown}/{step}" if step else shown


def _weekday(numbers: list[int], step: str | None) -> str:
    # systemd knows no steps here.
    if not numbers:
        return ",".join(_DAYS[number] for number in range(0, 7, int(step))) if step else "*"
    days = range(numbers[0], numbers[-1] + 1, int(step or 1))
    return ",".join(dict.fromkeys(_DAYS[number] for number in days))


def _checked(value: object) -> object:
    if isinstance(value, str):
        on_calendar(value)
    return value


Cron = Annotated[str, Short(_checked, TEXT, alone=True)]


def longest_gap(expression: str) -> float:
    """The longest time between two of its moments within a year, in seconds. Raises ValueError as ``on_calendar``."""
    fields = _WORDS.get(expression, expression).split()
    on_calendar(expression)
    minutes, hours, days, months, weekdays = (_numbers(text, name) for text, name in zip(fields, _FIELDS, strict=True))
    times = [60 * hour + minute for hour in sorted(hours) for minute in sorted(minutes)]
    start = datetime.date(2026, 1, 1)
    moments = [
        1440 * day + time
        for day in range(400)
        if (date := start + datetime.timedelta(days=day)).month in months
        and date.day in days
        and date.isoweekday() % 7 in {number % 7 for number in weekdays}
        for time in times
    ]
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    return 60.0 * max(gaps, default=60 * 24 * 366)


def _numbers(text: str, name: str) -> set[int]:
    low, high = _FIELDS[name]
    result: set[int] = set()
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise ValueError(f"'{part[:20]}' is no {name} of a cron expression")
        first = low if found[1] == "*" else int(found[1])
        last = high if found[1] == "*" else int(found[2] or found[1])
        result |= set(range(first, last + 1, int(found[3] or 1)))
    return result
