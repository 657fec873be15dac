# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run needs from whoever starts it: environment variables, lookups that work, the Vault password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .document import VaultValue
from .values import lookups, references, variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .stack import Stack


@dataclass
class Needs:
    """Each thing that is needed (a variable's name, a lookup as a template, a ciphertext) and the place that asks."""

    variables: dict[str, str] = field(default_factory=dict)
    lookups: dict[str, str] = field(default_factory=dict)
    vault: dict[str, str] = field(default_factory=dict)


def needs(stack: Stack, *, images_only: bool = False) -> Needs:
    """What ``stack`` needs; with ``images_only`` what builds and pulls need."""
    found = Needs()
    wanted = set() if images_only else set(stack.secrets)
    for path, value in _values(stack, images_only):
        _gather(found, path, value)
        wanted |= references(value)[0]
    for name in sorted(wanted):
        secret, path = stack.secrets[name], f"secrets.{name}"
        if secret.env is not None:
            found.variables.setdefault(secret.env, path)
        elif secret.value is not None:
            _gather(found, path, secret.value)
    return found


def _gather(found: Needs, path: str, value: str) -> None:
    if isinstance(value, VaultValue):
        found.vault.setdefault(value.ciphertext, path)
        return
    for name in variables(value):
        found.variables.setdefault(name, path)
    for template in lookups(value):
        found.lookups.setdefault(template, path)


def _values(stack: Stack, images_only: bool) -> Iterator[tuple[str, str]]:
    for host, login in stack.registries.items():
        yield f"registries.{host}.username", login.username
        yield f"registries.{host}.password", login.password
    for name, service in stack.services.items():
        auth = service.build.auth if service.build is not None else None
        for part in ("username", "password", "ssh_key") if auth is not None else ():
            if (value := getattr(auth, part)) is not None:
                yield f"services.{name}.build.auth.{part}", value
    if images_only:
        return
    for name, service in stack.services.items():
        for variable, value in service.secret_values().items():
            yield f"services.{name}.environment.{variable}", value
    yield from _of_databases(stack)
    for name, users in stack.load_balancer.logins.items():
        yield from ((f"load_balancer.logins.{name}.{user}", value) for user, value in users.items())
    if stack.load_balancer.stats.password is not None:
        yield "load_balancer.stats.password", stack.load_balancer.stats.password


def _of_databases(stack: Stack) -> Iterator[tuple[str, str]]:
    for name, database in stack.databases.items():
        if database.external is not None and database.external.password is not None:
            yield f"databases.{name}.external.password", database.external.password
    repository = stack.backups.repository if stack.backups is not None else None
    for part in ("access_key", "secret_key", "ssh_key") if repository is not None else ():
        if (value := getattr(repository, part)) is not None:
            yield f"backups.repository.{part}", value
