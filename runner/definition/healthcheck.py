# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Docker finds out whether a task is well."""

from __future__ import annotations

from typing import Annotated, Any

from .base import TEXT, Flag, Model, Short, many, one
from .scalars import CheckPath, Duration, Port, Whole


def _test(value: Any) -> Any:
    """Text is for a shell; a list says so itself."""
    if isinstance(value, str):
        return ["NONE"] if value == "NONE" else ["CMD-SHELL", value]
    if isinstance(value, list) and value and value[0] not in ("NONE", "CMD", "CMD-SHELL"):
        raise ValueError("starts with CMD, CMD-SHELL or NONE")
    return value


class Healthcheck(Model):
    """How Docker finds out whether a task is well. http and tcp need no tool in the image."""

    http: CheckPath | None = one("A path that answers 2xx or 3xx.", None)
    tcp: Flag | None = one("The port accepts connections.", None)
    port: Port | None = one("The port for http and tcp; default: the first route's, else the only exposed one.", None)
    test: Annotated[list[str], Short(_test, TEXT)] = many(
        "A command in the container: [CMD, …], [CMD-SHELL, text], text for a shell, or NONE.", list
    )
    interval: Duration = one("Time between two checks.", 5.0, gt=0)
    timeout: Duration = one("A check that takes longer has failed.", 3.0, gt=0)
    retries: Whole = one("So many failures in a row make a task unhealthy.", 3, ge=1, le=1000)
    start_period: Duration = one("Failures in this time after the start do not count.", 5.0)
    start_interval: Duration = one(
        "Time between two checks until the first success in start_period. Docker before 25 has only interval.",
        1.0,
        gt=0,
    )
    disable: Flag = one("No check, not even the image's own.", False)
