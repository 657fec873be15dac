# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that somebody else runs: what services know of one, and the variables of the role ``external_database``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import HELPER, HELPER_ON_HOST, binding
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.definition.databases import Database
    from longshore.definition.external import External
    from longshore.definition.stack import Stack

_SCHEMES = {"postgresql": "postgresql", "mariadb": "mysql", "redis": "redis", "memcached": "memcached"}
_PASSWORDS = "external_database_passwords"


def references(definition: Stack) -> dict[str, Any]:
    """What ``{{ databases.<name>.… }}`` gives of each."""
    return {name: _reference(definition, name, _login(name, given).__getitem__) for name, given in _all(definition)}


def bindings(definition: Stack) -> dict[str, Any]:
    """The same, with what stands for its credential until a container's start."""
    return {name: _reference(definition, name, partial(binding, name)) for name, _given in _all(definition)}


def logins(definition: Stack) -> dict[str, dict[str, Any]]:
    """The credentials of those that have some: also as they stand in a URL, since anything may be in a password."""
    return {
        name: {part: trust_as_template(text) for part, text in _login(name, given).items()}
        for name, given in _all(definition)
        if given.password is not None
    }


def of_stack(definition: Stack) -> dict[str, Any]:
    """What is the same on every server."""
    found = dict(_all(definition))
    if not found:
        return {}
    return {
        _PASSWORDS: {
            name: secrets.trusted(given.password) for name, given in found.items() if given.password is not None
        },
        "external_database_trusted": "".join(f"{definition.text(file)}\n" for file in definition.ca_certificates),
    }


def of_server(definition: Stack, server: str) -> dict[str, Any]:
    """Those that this server asks, and whom to trust with them."""
    asked = {name: given for name, given in _all(definition) if server in definition.external_askers(name)}
    if not asked:
        return {}
    return {
        "external_database_known": {
            name: {
                "engine": definition.databases[name].engine,
                "host": given.host,
                "port": definition.databases[name].listens,
                "database": given.database or "",
                "user": given.user or "",
                "tls": given.tls,
                "authority": _authority(definition, given),
            }
            for name, given in asked.items()
        },
        "external_database_authorities": {
            f"{HELPER_ON_HOST}/{_file(definition, name)}": _authority(definition, given)
            for name, given in asked.items()
            if given.tls
        },
    }


def servers(definition: Stack) -> list[str]:
    """The servers that ask for any of them, in the file's order."""
    asking = {server for name, _given in _all(definition) for server in definition.external_askers(name)}
    return [name for name in definition.servers if name in asking]


def _all(definition: Stack) -> list[tuple[str, External]]:
    return [(name, each.external) for name, each in definition.databases.items() if each.external is not None]


def _file(definition: Stack, name: str) -> str:
    # The helper's directory is that of all stacks of a server.
    return f"{definition.name}.{name}.crt"


def _authority(definition: Stack, given: External) -> str:
    return definition.text(given.ca) if given.ca is not None else ""


def _login(name: str, given: External) -> dict[str, str]:
    """The parts of a credential, as templates."""
    password = f"{_PASSWORDS}['{name}']"
    return {
        "user": given.user or "",
        "password": f"{{{{ {password} }}}}",
        "url_user": quote(given.user or "", safe=""),
        "url_password": f"{{{{ {password} | urlencode | replace('/', '%2F') }}}}",
    }


def _reference(definition: Stack, name: str, part: Callable[[str], str]) -> dict[str, Any]:
    database = definition.databases[name]
    given = database.external
    if given is None:
        return {}
    place = f"[{given.host}]:{database.listens}" if ":" in given.host else f"{given.host}:{database.listens}"
    authority = f"{HELPER}/{_file(definition, name)}"
    url = trust_as_template(_url(database, given, part, place, authority))
    known = {"host": given.host, "port": str(database.listens), "servers": place, "url": url}
    known |= {"replica_host": given.host, "replica_url": url}
    known |= {"authority": authority} if given.tls else {}
    known |= {"name": given.database} if given.database is not None else {}
    if given.user is not None:
        known["user"] = trust_as_template(part("user")) if given.password is not None else given.user
    if given.password is not None:
        known["password"] = trust_as_template(part("password"))
    return known


def _url(database: Database, given: External, part: Callable[[str], str], place: str, authority: str) -> str:
    login = f"{part('url_user')}:{part('url_password')}@" if given.password is not None else ""
    scheme = _SCHEMES[database.engine]
    if database.engine == "redis":
        return f"{scheme}{'s' if given.tls else ''}://{login}{place}/{given.database or 0}"
    if database.engine == "memcached":
        return f"{scheme}://{place}"
    url = f"{scheme}://{login}{place}/{given.database}"
    if database.engine == "postgresql":
        url += f"?sslmode=verify-full&sslrootcert={authority}" if given.tls else "?sslmode=disable"
    return url
