# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that somebody else runs: how they are reached, and which servers ask whether they can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import model_validator

from .base import Flag, Model, one
from .normalize import used_databases
from .scalars import Port, matching
from .values import SecretText, is_secret

if TYPE_CHECKING:
    from .stack import Stack


class External(Model):
    """A database that is there, and that Longshore neither makes nor changes."""

    host: str = one(
        "Its name or address, as the servers and containers reach it.",
        **matching(
            r"^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$",
            "must be a host name or an IP address, without a port",
        ),
        max_length=253,
    )
    port: Port | None = one("Its port; default: the engine's own.", None)
    database: str | None = one(
        "The logical database; of a redis its number.",
        None,
        **matching(r"^[A-Za-z0-9_$.-]+$", "must be letters, digits, '_', '$', '.' and '-'"),
        max_length=64,
    )
    user: str | None = one(
        "Who logs in.", None, **matching(r"^[^\s{}]+$", "must be without spaces and braces"), max_length=128
    )
    password: SecretText | None = one(
        "The user's password: a Vault value, {{ lookup(…) }} or {{ secrets.NAME }}.", None
    )
    tls: Flag = one("false: connections without TLS, which anybody on the way reads along.", True)
    ca: str | None = one(
        "A file with the certificate of who signed its own, relative to the stack file; default: whom servers trust.",
        None,
        min_length=1,
    )

    @model_validator(mode="after")
    def _whole(self) -> External:
        if self.password is not None and not is_secret(self.password):
            raise ValueError("password is a plain value in the file; encrypt it with ansible-vault encrypt_string")
        if self.ca is not None and not self.tls:
            raise ValueError("ca says whom to trust, which nobody asks without TLS")
        return self


def askers(stack: Stack, name: str) -> list[str]:
    """The servers that ask whether the external database ``name`` can be used: those that may run who uses it.

    One that runs containers, where nobody uses it.
    """
    users = [service for service in stack.services.values() if name in used_databases(service)]
    able = {server for service in users for server in stack.eligible_servers(service)}
    return [server for server in stack.servers if server in able] or stack.docker_hosts()[:1]
