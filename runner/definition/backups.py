# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: when they are made, how long they are kept, and where."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import model_validator

from .base import TEXT, Flag, Model, Short, many, one
from .scalars import AbsolutePath, CopyName, Duration, Port, ServerName, Size
from .schedule import Cron, longest_gap, on_calendar
from .values import SecretText, is_secret

if TYPE_CHECKING:
    from .databases import Database
    from .stack import Stack


_SLOWEST = 64 * 1024  # bytes a second


class Schedule(Model):
    """When something is backed up, and how long it is kept."""

    schedule: Cron = one('A cron expression such as "0 3 * * *", or @hourly, @daily, @weekly, @monthly; in UTC.')
    full: Literal["daily", "weekly", "monthly"] = one(
        "How often a whole backup is made; those between hold what has changed since.", "weekly"
    )
    keep: Duration = one("How long backups are kept, such as 14d, and with them every moment since.", 1209600.0)
    bandwidth: Size | None = one(
        "How many bytes a second it takes at most, such as 20M: of a MariaDB's server, and on the way to where backups "
        "are kept. PostgreSQL has none.",
        None,
    )
    verify: Flag = one("Prove each backup by restoring it.", True)
    verify_sql: str | None = one(
        "SQL for the proof: a file, relative to the stack file. It runs in the restored database as its owner, and can "
        "only read. An error in it means that the backup is bad.",
        None,
        min_length=1,
    )

    @model_validator(mode="after")
    def _proved(self) -> Schedule:
        if self.verify_sql is not None and not self.verify:
            raise ValueError("verify_sql is part of the proof, which verify: false leaves out")
        if self.bandwidth is not None and self.bandwidth < _SLOWEST:
            raise ValueError("bandwidth is less than 64K a second, at which no backup ends in time")
        return self

    @property
    def calendar(self) -> str:
        """``schedule`` as systemd's timers have it."""
        return on_calendar(self.schedule)

    @property
    def gap(self) -> float:
        """The longest time between two of them, in seconds."""
        return longest_gap(self.schedule)


# What a repository has besides its type: needed, and possible.
_NEEDED = {
    "local": (),
    "s3": ("endpoint", "bucket", "access_key", "secret_key"),
    "sftp": ("host", "user", "ssh_key", "known_hosts", "path"),
}
_POSSIBLE = {"local": ("path",), "s3": ("region", "path"), "sftp": ("port",)}
_ENDPOINT = re.compile(r"https://(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?/?")


class Repository(Model):
    """Where backups are kept."""

    type: Literal["s3", "sftp", "local"] = one("s3, sftp, or local: a directory of the backup server.", "local")
    endpoint: str | None = one("The S3 service's URL, such as https://s3.example.", None)
    bucket: str | None = one("The S3 bucket, which is there.", None, min_length=1)
    region: str | None = one("The S3 region; default: us-east-1.", None, min_length=1)
    access_key: SecretText | None = one("Who asks S3.", None)
    secret_key: SecretText | None = one("The key's secret: a Vault value, {{ lookup(…) }} or {{ secrets.NAME }}.", None)
    host: str | None = one("The SFTP server.", None, min_length=1)
    port: Port | None = one("The SFTP server's port; default: 22.", None)
    user: str | None = one("The user there.", None, min_length=1)
    ssh_key: SecretText | None = one("Its private key: a Vault value, {{ lookup(…) }} or {{ secrets.NAME }}.", None)
    known_hosts: str | None = one("A file with the SFTP server's keys, relative to the stack file.", None, min_length=1)
    path: AbsolutePath | None = one(
        "The directory; default: /var/lib/longshore/STACK/backups, in a bucket /STACK. A user of SFTP may write there.",
        None,
    )

    @model_validator(mode="after")
    def _whole(self) -> Repository:
        if missing := [name for name in _NEEDED[self.type] if getattr(self, name) is None]:
            raise ValueError(f"{self.type} needs {', '.join(missing)}")
        own = ("type", *_NEEDED[self.type], *_POSSIBLE[self.type])
        if strange := [name for name in Repository.model_fields if name not in own and getattr(self, name) is not None]:
            raise ValueError(f"{self.type} has no {', '.join(strange)}")
        if self.endpoint is not None and not _ENDPOINT.fullmatch(self.endpoint):
            raise ValueError("endpoint is not https://HOST or https://HOST:PORT")
        for name in ("secret_key", "ssh_key"):
            if (value := getattr(self, name)) is not None and not is_secret(value):
                raise ValueError(f"{name} is a plain value in the file; encrypt it with ansible-vault encrypt_string")
        return self

    @property
    def service(self) -> tuple[str, int]:
        """Host and port of the S3 service."""
        found = _ENDPOINT.fullmatch(self.endpoint or "")
        return (found["host"], int(found["port"] or 443)) if found else ("", 0)


class Copy(Repository):
    """Another place where all backups are too."""

    bandwidth: Size | None = one("How many bytes a second are copied there at most, such as 20M.", None)

    @model_validator(mode="after")
    def _elsewhere(self) -> Copy:
        if self.type == "local" and self.path is None:
            raise ValueError("local needs path, on another disk than the backups themselves")
        if self.bandwidth is not None and self.bandwidth < _SLOWEST:
            raise ValueError("bandwidth is less than 64K a second, at which no copy is ever whole")
        return self


class Backups(Model):
    """Where backups go."""

    server: ServerName | None = one(
        "The server that makes, keeps and proves them; default: the first that holds no database, else the first.", None
    )
    repository: Repository = many("The place.", Repository)
    copies: dict[CopyName, Copy] = many(
        "More places, each of which has all of it a few minutes later, and can be restored from.", dict
    )


def backed_up(stack: Stack, tool: str) -> list[Database]:
    """The databases whose backups ``tool`` makes: pgbackrest those of PostgreSQL, restic all others."""
    return [
        database
        for database in stack.databases.values()
        if database.backup is not None and (database.engine == "postgresql") == (tool == "pgbackrest")
    ]


def backup_server(stack: Stack) -> str | None:
    """The server that makes and keeps backups; None when there are none to make."""
    if all(database.backup is None for database in stack.databases.values()):
        return None
    if stack.backups is not None and stack.backups.server is not None:
        return stack.backups.server
    holding = {name for database in stack.databases.values() for name in database.servers}
    return next((name for name in stack.servers if name not in holding), next(iter(stack.servers)))


def directory(stack: Stack, repository: Repository | None = None) -> str:
    """The directory of a repository (default: the stack's own), on the backup server or where it is."""
    if repository is None:
        repository = stack.backups.repository if stack.backups is not None else Repository()
    usual = f"/{stack.name}" if repository.type == "s3" else f"/var/lib/longshore/{stack.name}/backups"
    return repository.path or usual


ScheduleItem = Annotated[Schedule, Short(lambda v: {"schedule": v} if isinstance(v, str) else v, TEXT)]
