# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings an engine's instance on this server has, and which changes of them it takes without a restart.

Private to the collection. The files are those that the engine's role writes.
"""

from __future__ import annotations

import json

from .host_change import HostError, attempt
from .mariadb_sql import Local
from .postgresql_sql import Instance
from .settings_text import changeable, equals, mariadb, spaced
from .valkey_cli import Valkey, only_at_a_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class Engine:
    """An instance, as its role takes it."""

    unit = ""

    def __init__(self, instance: Mapping[str, Any]) -> None:
        self.name: str = instance["name"]
        self.port: int = instance.get("port") or 0

    def running(self) -> bool:
        """Whether it runs."""
        return attempt(["systemctl", "is-active", f"{self.unit}@{self.name}.service"])[0] == 0

    def settings(self) -> dict[str, str]:
        """What settings can change, as its file has it; nothing where there is none, or an older one."""
        raise HostError(f"{self.name} tells no settings")

    def restarting(self, found: Sequence[Mapping[str, Any]]) -> set[str] | None:
        """Names of those that differ (``path``, ``before``, ``after``) and that only a restart changes.

        None while the engine does not answer.
        """
        return {each["path"] for each in found}


class PostgreSQL(Engine):
    """An instance under Patroni."""

    unit = "patroni"

    def settings(self) -> dict[str, str]:
        """As ``Engine.settings``."""
        found: dict[str, str] = json.loads(_text(f"/etc/patroni/{self.name}.json") or "{}").get("settings") or {}
        return found

    def restarting(self, found: Sequence[Mapping[str, Any]]) -> set[str] | None:
        """As ``Engine.restarting``: PostgreSQL's own context of each."""
        try:
            known = Instance(self.port).sql("select name from pg_settings where context = 'postmaster'").splitlines()
        except HostError:
            return None
        return {each["path"] for each in found} & set(known)


class MariaDB(Engine):
    """An instance of MariaDB."""

    unit = "mariadb-instance"

    def settings(self) -> dict[str, str]:
        """As ``Engine.settings``."""
        return changeable(_text(f"/etc/mysql/instances/{self.name}.cnf"), mariadb)

    def restarting(self, found: Sequence[Mapping[str, Any]]) -> set[str] | None:
        """As ``Engine.restarting``: what is no variable that can be set."""
        settable = (
            "select lower(variable_name) from information_schema.system_variables "
            "where read_only = 'NO' and variable_scope <> 'SESSION ONLY'"
        )
        try:
            known = {row[0] for row in Local(self.name).sql(settable)}
        except HostError:
            return None
        return {each["path"] for each in found} - known


class Redis(Engine):
    """An instance of Valkey."""

    unit = "valkey-server"

    def settings(self) -> dict[str, str]:
        """As ``Engine.settings``."""
        return changeable(_text(f"/etc/valkey/{self.name}.conf"), spaced)

    def restarting(self, found: Sequence[Mapping[str, Any]]) -> set[str] | None:
        """As ``Engine.restarting``: what is named no more, and what can't be set to what it is already."""
        valkey = Valkey.local(self.name, json.loads(_text(f"/etc/valkey/{self.name}.json") or "{}").get("admin", ""))
        if not valkey.answers():
            return None
        return {each["path"] for each in found if each["after"] is None or not _settable(valkey, each["path"])}


class RabbitMQ(Engine):
    """An instance of RabbitMQ, which reads its file at a start alone."""

    unit = "rabbitmq-instance"

    def settings(self) -> dict[str, str]:
        """As ``Engine.settings``."""
        return changeable(_text(f"/etc/rabbitmq/instances/{self.name}.conf"), equals)


ENGINES: dict[str, type[Engine]] = {
    "postgresql": PostgreSQL,
    "mariadb": MariaDB,
    "redis": Redis,
    "rabbitmq": RabbitMQ,
}


def _settable(valkey: Valkey, name: str) -> bool:
    """Whether CONFIG SET takes a setting; to what it is already, Valkey does nothing for it."""
    try:
        valkey.ask("CONFIG", "SET", name, last=valkey.pairs("CONFIG", "GET", name).get(name, ""))
    except HostError as error:
        return not only_at_a_start(str(error))
    return True


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
