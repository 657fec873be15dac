# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secret values as references: templates and ciphertexts that a task resolves when it uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.parsing.vault import EncryptedString
from ansible.template import trust_as_template

if TYPE_CHECKING:
    from longshore.definition.databases import Database
    from longshore.definition.resources import Secret
    from longshore.definition.stack import Stack


# What the managers keep, from the first that answered (playbooks/keys.yml): other servers need it too.
KEPT = (
    "(groups['swarm_manager'] | map('extract', hostvars) | selectattr('credentials_result.stored', 'defined')"
    " | first).credentials_result.stored"
)

# What stands in a service's environment for a database's credential; a filter sees the credential itself.
BINDINGS = "database_bindings"


# Whose credentials of a database services use: two of each are good while one changes.
LOGINS = ("owner", "reader")
# Of what runs inside: of these there may be two as well. RabbitMQ's cookie is no password of a user.
INTERNAL = ("admin", "monitor", "replication", "rewind", "sentinel")


def kept(group: str, name: str) -> Any:
    """What the managers keep in a set of credentials under this name."""
    return trust_as_template(f"{{{{ {KEPT}.{group}['{name}'] }}}}")


def inside(name: str, user: str) -> Any:
    """The password of a user that may have two with which what runs inside logs in."""
    return trust_as_template(
        f"{{{{ ({KEPT}.databases['{name}'] | longshore.stack.internal_login('{user}', false)).password }}}}"
    )


def of_more(database: Database) -> dict[str, Any]:
    """The passwords of the logical databases that are in it besides its own."""
    if not database.also:
        return {}
    return {
        "also": {
            database.called(name): {who: kept("databases", f"{name}.{who}") for who in LOGINS} for name in database.also
        }
    }


def made_once(definition: Stack) -> dict[str, Any]:
    """The secrets that the managers make and keep, as the role ``credentials`` takes a set of them."""
    return {
        "directory": f"/etc/longshore/{definition.name}/credentials",
        "directory_mode": "0700",
        "names": {
            name: {"length": secret.generate, "alphabet": "alphanumeric"}
            for name, secret in definition.secrets.items()
            if secret.generate is not None
        },
    }


def of_stack(definition: Stack) -> dict[str, Any]:
    """Secret name → reference. ``{{ secrets.<name> }}`` in an environment value reads from it."""
    return {name: _reference(definition, name, secret) for name, secret in definition.secrets.items()}


def of_environments(definition: Stack) -> dict[str, dict[str, Any]]:
    """Service → variable name → reference, of the variables that never enter a service's specification."""
    return {
        name: {variable: trusted(value, BINDINGS) for variable, value in service.secret_values().items()}
        for name, service in definition.services.items()
        if service.secret_values()
    }


def logins(definition: Stack) -> dict[str, dict[str, Any]]:
    """Registry → username and password, as references."""
    return {
        registry: {"username": trusted(login.username), "password": trusted(login.password)}
        for registry, login in definition.registries.items()
    }


def trusted(value: str, bindings: str = "databases") -> Any:
    """``value``, in which the schema allows references, as something that a task resolves.

    ``bindings`` is the variable that it reads databases from.
    """
    from longshore.definition.values import template  # noqa: PLC0415 - there when a definition is, else missing

    # A Vault value is a text that knows its ciphertext.
    ciphertext = getattr(value, "ciphertext", None)
    return (
        trust_as_template(template(value, bindings)) if ciphertext is None else EncryptedString(ciphertext=ciphertext)
    )


def _reference(definition: Stack, name: str, secret: Secret) -> Any:
    if secret.generate is not None:
        return trust_as_template("{{ " + KEPT + ".stack['" + name + "'] }}")
    if secret.env is not None:
        return trust_as_template("{{ lookup('ansible.builtin.env', '" + secret.env + "', default=undef()) }}")
    if secret.file is not None:
        # The path was checked to be a file; it may hold quotes.
        path = str(definition.file(secret.file)).replace("\\", "\\\\").replace("'", "\\'")
        return trust_as_template("{{ lookup('ansible.builtin.file', '" + path + "', rstrip=false) }}")
    return trusted(secret.value or "")
