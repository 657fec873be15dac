# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: when they are made, how long they are kept, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from .base import TEXT, Flag, Model, Short, many, one
from .scalars import AbsolutePath, Duration, ServerName
from .schedule import Cron, longest_gap, on_calendar

if TYPE_CHECKING:
    from .stack import Stack


class Schedule(Model):
    """When something is backed up, and how long it is kept."""

    schedule: Cron = one('A cron expression such as "0 3 * * *", or @hourly, @daily, @weekly, @monthly; in UTC.')
    full: Literal["daily", "weekly", "monthly"] = one(
        "How often a whole backup is made; those between hold what has changed since.", "weekly"
    )
    keep: Duration = one("How long backups are kept, such as 14d, and with them every moment since.", 1209600.0)
    verify: Flag = one("Prove each backup by restoring it.", True)
    verify_sql: str | None = one(
        "SQL for the proof: a file, relative to the stack file. It runs in the restored database as its owner, and can "
        "only read. An error in it means that the backup is bad.",
        None,
        min_length=1,
    )

    @property
    def calendar(self) -> str:
        """``schedule`` as systemd's timers have it."""
        return on_calendar(self.schedule)

    @property
    def gap(self) -> float:
        """The longest time between two of them, in seconds."""
        return longest_gap(self.schedule)


class Repository(Model):
    """Where backups are kept."""

    type: Literal["s3", "sftp", "local"] = one("s3, sftp, or local: a directory of the backup server.", "local")
    endpoint: str | None = one("The S3 service's URL.", None)
    bucket: str | None = one("The S3 bucket.", None)
    host: str | None = one("The SFTP server.", None)
    path: AbsolutePath | None = one("The directory; default: /var/lib/longshore/STACK/backups.", None)


class Backups(Model):
    """Where backups go."""

    server: ServerName | None = one(
        "The server that makes, keeps and proves them; default: the first that holds no database, else the first.", None
    )
    repository: Repository = many("The place.", Repository)


def backup_server(stack: Stack) -> str | None:
    """The server that makes and keeps backups; None when there are none to make."""
    if all(database.backup is None for database in stack.databases.values()):
        return None
    if stack.backups is not None and stack.backups.server is not None:
        return stack.backups.server
    holding = set(stack.data_servers("postgresql"))
    return next((name for name in stack.servers if name not in holding), next(iter(stack.servers)))


def directory(stack: Stack) -> str:
    """The directory of the repository on the backup server."""
    given = stack.backups.repository.path if stack.backups is not None else None
    return given or f"/var/lib/longshore/{stack.name}/backups"


ScheduleItem = Annotated[Schedule, Short(lambda v: {"schedule": v} if isinstance(v, str) else v, TEXT)]
