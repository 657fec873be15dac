# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services share: secrets, configs, volumes, networks, registries."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import model_validator

from .backups import ScheduleItem
from .base import NULL, TEXT, Flag, Model, Short, many, one
from .scalars import AbsolutePath, Mode, NetworkAddress, Owner, ServerName, Whole, matching
from .values import SecretText, is_secret


class Secret(Model):
    """Where a secret's value comes from: exactly one of these, or a Vault value or a lookup instead of the mapping."""

    generate: Whole | None = one("Made once on the servers, so many characters long, and kept.", None, ge=8, le=4096)
    env: str | None = one(
        "The environment variable of the operator that holds it.",
        None,
        **matching(r"^[A-Za-z_][A-Za-z0-9_]*$", "must be an environment variable's name"),
    )
    file: str | None = one("A file, relative to the stack file.", None, min_length=1)
    value: SecretText | None = one("A Vault value or {{ lookup(…) }}.", None)

    @model_validator(mode="after")
    def _one(self) -> Secret:
        if sum(item is not None for item in (self.generate, self.env, self.file, self.value)) != 1:
            raise ValueError("needs exactly one of generate, env, file and value")
        if self.value is not None and not is_secret(self.value):
            raise ValueError("is a plain value in the file; encrypt it with ansible-vault encrypt_string")
        return self


def secret(value: Any) -> Any:
    """A Vault value or a text alone as a mapping."""
    return {"value": value} if isinstance(value, str) else value


class Config(Model):
    """A file for containers that is no secret."""

    file: str | None = one("A file, relative to the stack file.", None, min_length=1)
    content: str | None = one("The content itself.", None)

    @model_validator(mode="after")
    def _one(self) -> Config:
        if (self.file is None) == (self.content is None):
            raise ValueError("needs exactly one of file and content")
        return self


class Volume(Model):
    """Data that outlives containers. Leaving a volume out never deletes it."""

    type: Literal["local", "shared", "nfs"] = one("local: a directory of one server. shared: on several.", "local")
    server: ServerName | None = one("The server that holds a local volume.", None)
    servers: list[ServerName] = many("The servers that hold a shared volume.", list)
    owner: Owner | None = one(
        "user:group of the directory, which it keeps; default: root's when it is made, then its service's.", None
    )
    mode: Mode | None = one(
        "The directory's mode in octal, which it keeps; default: 0755 when it is made, then its service's.",
        None,
    )
    nfs: NfsSource | None = one("Where an NFS volume comes from.", None)
    backup: ScheduleItem | None = one("Backs it up.", None)


class NfsSource(Model):
    """A directory of an NFS server."""

    server: str = one("The NFS server.")
    path: AbsolutePath = one("Its exported directory.")
    options: str | None = one("Mount options.", None)


class Network(Model):
    """An overlay network between the servers."""

    internal: Flag = one("No way out of it.", False)
    encrypted: Flag = one("Traffic between servers is encrypted (IPsec).", False)
    attachable: Flag = one("Containers beside the services may join.", False)
    subnet: NetworkAddress | None = one("Its addresses; default: from the Swarm's pool.", None)


class Registry(Model):
    """The stack's own registry."""

    server: ServerName | None = one(
        "The server it runs on; default: the first tagged build, else the first manager.", None
    )


class RegistryLogin(Model):
    """How to log in to a registry that images are pulled from."""

    username: SecretText = one("The user.")
    password: SecretText = one("The password: a Vault value, {{ lookup(…) }} or {{ secrets.NAME }}.")

    @model_validator(mode="after")
    def _not_plain(self) -> RegistryLogin:
        if not is_secret(self.password):
            raise ValueError("the password is a plain value in the file; encrypt it with ansible-vault encrypt_string")
        return self


SecretItem = Annotated[Secret, Short(secret, TEXT)]
EMPTY_IS_DEFAULT = Short(
    lambda v: {name: {} if item is None else item for name, item in v.items()} if isinstance(v, dict) else v,
    entries=(NULL,),
)
