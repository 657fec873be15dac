# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the roles that run databases and lead to them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import (
    HELPER,
    HELPER_ON_HOST,
    READER,
    binding,
)
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import (
    backups,
    clients,
    exporters,
    external,
    mariadb,
    memcached,
    rabbitmq,
    secrets,
    valkey,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from longshore.definition.databases import Database
    from longshore.definition.stack import Stack

_PASSWORDS = {
    "postgresql": ("replication", "rewind", "owner", "reader", "monitor"),
    "mariadb": mariadb.PASSWORDS,
    "redis": valkey.PASSWORDS,
    "memcached": (),
    "rabbitmq": rabbitmq.PASSWORDS,
}
# Where containers find the authority's certificate: the helper's directory is in each that has a secret environment.
_AUTHORITY = f"{HELPER}/ca.crt"
_RUN = trust_as_template("{{ longshore_run }}")


def made_once(definition: Stack) -> dict[str, Any]:
    """The passwords that the managers make and keep, as the role ``credentials`` takes a set of them."""
    return {
        "directory": f"/etc/longshore/{definition.name}/credentials/databases",
        "directory_mode": "0700",
        "names": {
            f"{name}.{password}": {
                "length": 32,
                "alphabet": "alphanumeric",
                "turns": password in (*secrets.LOGINS, *secrets.INTERNAL),
            }
            for name, database in _logical(definition).items()
            for password in _PASSWORDS[database.engine]
            if name == database.name or password in secrets.LOGINS
        }
        | {backups.CREDENTIAL: {"length": 64, "alphabet": "alphanumeric"}},
    }


def of_stack(definition: Stack) -> dict[str, Any]:
    """What is the same on every server."""
    if not definition.databases:
        return {}
    managed, logical = _managed(definition), _logical(definition)
    return {
        "databases": {
            name: _reference(name, database, partial(_login, name, database)) for name, database in logical.items()
        }
        | external.references(definition),
        secrets.BINDINGS: {
            name: _reference(name, database, partial(_bound, name)) for name, database in logical.items()
        }
        | external.bindings(definition),
        "services_credentials": {
            f"{name}{'' if who == 'owner' else READER}": {
                part: trust_as_template(text)
                for part, text in zip(("user", "password"), _login(name, database, who), strict=True)
            }
            for name, database in logical.items()
            for who in secrets.LOGINS
            if who in _PASSWORDS[database.engine]
        }
        | external.logins(definition),
        **external.of_stack(definition),
        **(_of_etcd(definition) if definition.etcd_members() else {}),
        **(_of_postgresql(definition) if definition.data_servers("postgresql") else {}),
        **mariadb.of_stack(definition),
        **valkey.of_stack(definition),
        **memcached.of_stack(definition),
        **rabbitmq.of_stack(definition),
        **backups.of_others(definition),
        **exporters.of_stack(definition),
        "database_router_stack": definition.name,
        "database_router_names": {
            name: _router(definition, database, name == database.reader)
            for database in managed.values()
            for name in filter(None, (database.name, database.reader))
        },
    }


def _managed(definition: Stack) -> dict[str, Database]:
    """Those that are not somebody else's."""
    return {name: database for name, database in definition.databases.items() if database.external is None}


def _logical(definition: Stack) -> dict[str, Database]:
    """The logical databases in these: name → the one in which each is."""
    return {name: each for name, each in definition.logical_databases().items() if each.external is None}


def _of_etcd(definition: Stack) -> dict[str, Any]:
    quorum = definition.etcd_members()
    known = _etcd([definition.servers[name].private for name in quorum])
    return {
        "etcd_servers": [{"name": name, "address": definition.servers[name].private} for name in quorum],
        "etcd_certificate": "/etc/longshore/cluster/server.crt",
        "etcd_key": "/etc/longshore/cluster/server.key",
        "etcd_run": _RUN,
        "postgresql_etcd": known,
        "mariadb_etcd": known,
    }


def _of_postgresql(definition: Stack) -> dict[str, Any]:
    directory = f"/etc/longshore/{definition.name}"
    return {
        "postgresql_directory": f"{directory}/postgresql",
        "postgresql_certificate": f"{directory}/databases.crt",
        "postgresql_key": f"{directory}/databases.key",
        "postgresql_passwords": {
            definition.instance(name): {
                password: secrets.kept("databases", f"{name}.{password}") for password in _PASSWORDS["postgresql"]
            }
            | secrets.of_more(database)
            for name, database in _managed(definition).items()
            if database.engine == "postgresql"
        },
        "postgresql_run": _RUN,
        **backups.of_postgresql(definition),
    }


def of_server(definition: Stack, name: str) -> dict[str, Any]:
    """The instances of one server."""
    if not definition.databases:
        return {}
    address = definition.servers[name].private
    held = [each for each in definition.databases.values() if name in each.servers]
    relational = [each for each in held if each.engine == "postgresql"]
    maria = [each for each in held if each.engine == "mariadb"]
    stores = [each for each in held if each.engine == "redis"]
    caches = [each for each in held if each.engine == "memcached"]
    queues = [each for each in held if each.engine == "rabbitmq"]
    # Containers live here too, and their share is theirs.
    share = (0.5 if name in definition.docker_hosts() else 1.0) / max(1, len(held))
    return {
        **external.of_server(definition, name),
        "pgbackrest_address": address,
        "postgresql_instances": [_postgresql(definition, each, name) for each in relational],
        "postgresql_memory": share * len(relational),
        "mariadb_instances": [mariadb.instance(definition, each) for each in maria],
        "mariadb_memory": share * len(maria),
        "valkey_instances": [valkey.instance(definition, each) for each in stores],
        "valkey_memory": share * len(stores),
        "memcached_instances": [memcached.instance(definition, each, name) for each in caches],
        "memcached_memory": share * len(caches),
        "memcached_clients": clients.of_server(definition, name),
        "rabbitmq_instances": [rabbitmq.instance(definition, each) for each in queues],
        "rabbitmq_memory": share * len(queues),
        **exporters.of_server(definition, name),
        "ca_copies": [f"{HELPER_ON_HOST}/ca.crt"] if name in definition.docker_hosts() else [],
    }


def kept_on(definition: Stack, name: str) -> dict[str, Any]:
    """Engine → the instances of one server, whose data are in use; also where the file has no database any more."""
    held = [each for each in definition.databases.values() if name in each.servers]
    engines = sorted({each.engine for each in held})
    return {
        "longshore_stack": definition.name,
        "longshore_instances": {
            engine: [definition.instance(each.name) for each in held if each.engine == engine] for engine in engines
        },
    }


def certificates(definition: Stack, name: str) -> list[dict[str, Any]]:
    """A server's own as a member of what agrees and keeps backups, and that of its databases."""
    held = [each for each in definition.databases.values() if name in each.servers]
    members = {*definition.etcd_members(), *definition.sentinels(), definition.backup_server()}
    own = [f"DNS:{name}", "DNS:localhost", f"IP:{definition.servers[name].private}", "IP:127.0.0.1"]
    made = []
    if held or name in members:
        made.append({"path": "/etc/longshore/cluster/server", "name": name, "sans": own})
    if held:
        domain = f"{definition.name}.internal"
        names = [known for each in held for known in filter(None, (each.name, each.reader))]
        sans = [f"DNS:{known}" for short in names for known in (short, f"{short}.{domain}")]
        made.append({"path": f"/etc/longshore/{definition.name}/databases", "name": name, "sans": [*sans, *own]})
    return made


def services(definition: Stack) -> dict[str, Any]:
    """The services through which containers reach the databases, in the normalized form."""
    return {name: router.normalized() for name, router in definition.routers().items()}


def _etcd(otherwise: list[str]) -> Any:
    """Address and port of the members that etcd itself knows, from whoever was asked in this run, or else of these."""
    known = (
        "groups['etcd'] | map('extract', hostvars) | selectattr('etcd_result.members', 'defined') "
        "| map(attribute='etcd_result') | map(attribute='members') | map('dict2items') | flatten "
        "| map(attribute='value')"
    )
    bracketed = "map('regex_replace', '^(.*:.*)$', '[\\1]')"
    ported = "map('regex_replace', '$', ':2379')"
    return trust_as_template(f"{{{{ ({known} | list or {otherwise!r}) | unique | sort | {bracketed} | {ported} }}}}")


def _postgresql(definition: Stack, database: Database, server: str) -> dict[str, Any]:
    return {
        "name": definition.instance(database.name),
        "title": database.name,
        "version": database.major,
        "directory": database.directory or "",
        "huge_pages": database.huge_pages,
        "source": backups.source(definition, database),
        "port": database.listens,
        "health_port": database.health_port,
        "servers": [{"name": each, "address": definition.servers[each].private} for each in database.servers],
        "clients": [_network(each) for each in clients.of_server(definition, server)],
        "synchronous": database.synchronous,
        "database": database.inside,
        "also": [database.called(each) for each in database.also],
        "extensions": database.extensions,
        "settings": database.settings,
        **({"template": str(definition.file(database.template))} if database.template is not None else {}),
        "archive": backups.archive(definition, database),
    }


def _network(place: str) -> str:
    """A network as it is, an address as the network that it alone is."""
    return place if "/" in place else f"{place}/{128 if ':' in place else 32}"


def _router(definition: Stack, database: Database, reads: bool) -> dict[str, Any]:
    watching = [definition.servers[each].private for each in definition.sentinels()] if database.watched else []
    return {
        "engine": database.engine,
        "instance": definition.instance(database.name),
        "sentinels": watching,
        "port": database.listens,
        **({"health_port": database.health_port} if database.health_port is not None else {}),
        "reads": reads,
        **({"tls": database.tls} if database.engine == "memcached" else {}),
        "servers": [{"name": each, "address": definition.servers[each].private} for each in database.servers],
    }


def _login(name: str, database: Database, who: str) -> tuple[str, str]:
    """User and password of a logical database's owner or reader, as templates."""
    # A user of Valkey may have two passwords.
    alternating = database.engine != "redis"
    user = database.called(name) if who == "owner" else f"{database.called(name)}_reader"
    login = f"({secrets.KEPT}.databases['{name}.{who}'] | longshore.stack.login('{user}', {alternating}))"
    return f"{{{{ {login}.user }}}}", f"{{{{ {login}.password }}}}"


def _bound(name: str, who: str) -> tuple[str, str]:
    """The same, as what stands for it until a container's start."""
    credential = name if who == "owner" else f"{name}{READER}"
    return binding(credential, "user"), binding(credential, "password")


def _reference(name: str, database: Database, login: Callable[[str], tuple[str, str]]) -> dict[str, Any]:
    """What ``{{ databases.<name>.… }}`` gives."""
    if database.engine == "memcached":
        return memcached.reference(database, _AUTHORITY)
    user, password = login("owner")
    replica = database.reader or database.name
    known = {
        "authority": _AUTHORITY,
        "host": database.name,
        "port": str(database.listens),
        "name": database.called(name),
        "user": trust_as_template(user),
        "password": trust_as_template(password),
        "url": trust_as_template(_url(name, database, f"{user}:{password}@{database.name}")),
        "replica_host": replica,
        "replica_url": trust_as_template(_url(name, database, f"{user}:{password}@{replica}")),
    }
    if "reader" in _PASSWORDS[database.engine]:
        user, password = login("reader")
        known |= {
            "reader_user": trust_as_template(user),
            "reader_password": trust_as_template(password),
            "reader_url": trust_as_template(_url(name, database, f"{user}:{password}@{replica}")),
        }
    return known


def _url(name: str, database: Database, place: str) -> str:
    # How a client of the others is told whom to trust differs from library to library: `authority` is the file.
    scheme, path = {
        "redis": ("rediss", "0"),
        "rabbitmq": ("amqps", database.called(name)),
        "mariadb": ("mysql", database.called(name)),
        "postgresql": ("postgresql", f"{database.called(name)}?sslmode=verify-full&sslrootcert={_AUTHORITY}"),
    }[database.engine]
    return f"{scheme}://{place}:{database.listens}/{path}"
