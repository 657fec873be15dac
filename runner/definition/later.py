# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections whose behaviour is not built yet. Their shape is settled, so that a file written today stays right;
``support`` refuses them."""

from __future__ import annotations

from typing import Annotated, Literal

from .base import INTEGER, TEXT, Model, Short, many, one
from .scalars import Address, CheckPath, Command, Duration, Port, ServerName, ServiceName, Whole


class Job(Model):
    """A command on a schedule."""

    service: ServiceName = one("The service whose image and environment it has.")
    command: Command = one("What runs.")
    schedule: str = one('A cron expression such as "15 3 * * *", or @hourly, @daily, @weekly.')
    timezone: str = one("The schedule's time zone.", "UTC")
    overlap: Literal["forbid", "allow", "replace"] = one("When the last run still runs.", "forbid")
    deadline: Duration | None = one("A run that takes longer is ended.", None)


class FailoverTarget(Model):
    """Another stack, or addresses."""

    stack: str | None = one("The other stack's name.", None)
    addresses: list[Address] = many("Addresses, where there is no stack.", list)


class FailoverCheck(Model):
    """How to find out whether the primary answers."""

    http: CheckPath | None = one("A path that answers 2xx or 3xx.", None)
    port: Port | None = one("The port.", None)


class Failover(Model):
    """A public name that moves to the backup when the primary fails."""

    primary: Annotated[FailoverTarget, Short(lambda v: {} if v == "this" else v, {"const": "this"})] = one(
        "this: this stack."
    )
    backup: FailoverTarget = one("Where the name points to when the primary fails.")
    check: FailoverCheck = one("How the primary is checked.")
    ttl: Whole = one("Seconds that others may remember the answer.", 5, ge=1)


class Alerts(Model):
    """When somebody is told."""

    disk: Annotated[str | None, Short(lambda v: v, INTEGER, TEXT, alone=True)] = one("A disk fuller than this.", None)
    silent: Duration | None = one("A server that has been silent for this time.", None)


class Monitoring(Model):
    """Vital signs."""

    server: ServerName = one("The server that keeps them.")
    retention: Duration = one("How long they are kept.", 2592000.0)
    alerts: Alerts = many("When somebody is told.", Alerts)
