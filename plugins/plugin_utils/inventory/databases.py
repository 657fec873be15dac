# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the roles that run databases and lead to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.module_utils.secret_env import HELPER, HELPER_ON_HOST, binding
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import mariadb, secrets, valkey

if TYPE_CHECKING:
    from longshore.definition.databases import Database
    from longshore.definition.stack import Stack

_CIPHER = "backups.passphrase"
# What services use: two are good while it changes.
_LOGIN = "owner"
_PASSWORDS = {
    "postgresql": ("replication", "rewind", "owner", "reader", "monitor"),
    "mariadb": mariadb.PASSWORDS,
    "redis": valkey.PASSWORDS,
}
# Where containers find the authority's certificate: the helper's directory is in each that has a secret environment.
_AUTHORITY = f"{HELPER}/ca.crt"
# Seconds between two whole backups; an hour less, since a timer is never early.
_WHOLE = {"daily": 86400 - 3600, "weekly": 7 * 86400 - 3600, "monthly": 30 * 86400 - 3600}
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
                "turns": password == _LOGIN,
            }
            for name, database in definition.databases.items()
            for password in _PASSWORDS[database.engine]
        }
        | {_CIPHER: {"length": 64, "alphabet": "alphanumeric"}},
    }


def of_stack(definition: Stack) -> dict[str, Any]:
    """What is the same on every server."""
    if not definition.databases:
        return {}
    return {
        "databases": {name: _reference(database, *_login(database)) for name, database in definition.databases.items()},
        secrets.BINDINGS: {
            name: _reference(database, binding(name, "user"), binding(name, "password"))
            for name, database in definition.databases.items()
        },
        "services_credentials": {
            name: dict(zip(("user", "password"), map(trust_as_template, _login(database)), strict=True))
            for name, database in definition.databases.items()
        },
        **(_of_etcd(definition) if definition.etcd_members() else {}),
        **(_of_postgresql(definition) if definition.data_servers("postgresql") else {}),
        **mariadb.of_stack(definition),
        **valkey.of_stack(definition),
        **_others_backups(definition),
        "database_router_stack": definition.name,
        "database_router_names": {
            name: _router(definition, database, name == database.reader)
            for database in definition.databases.values()
            for name in filter(None, (database.name, database.reader))
        },
    }


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
            _instance(definition, name): {
                password: secrets.kept("databases", f"{name}.{password}") for password in _PASSWORDS["postgresql"]
            }
            for name, database in definition.databases.items()
            if database.engine == "postgresql"
        },
        "postgresql_run": _RUN,
        **_backups(definition),
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
    # Containers live here too, and their share is theirs.
    share = (0.5 if name in definition.docker_hosts() else 1.0) / max(1, len(held))
    return {
        "pgbackrest_address": address,
        "postgresql_instances": [_postgresql(definition, each) for each in relational],
        "postgresql_memory": share * len(relational),
        "mariadb_instances": [mariadb.instance(definition, each) for each in maria],
        "mariadb_memory": share * len(maria),
        "valkey_instances": [valkey.instance(definition, each) for each in stores],
        "valkey_memory": share * len(stores),
        "ca_copies": [f"{HELPER_ON_HOST}/ca.crt"] if name in definition.docker_hosts() else [],
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


def _instance(definition: Stack, name: str) -> str:
    return f"{definition.name}-{name}"


def _postgresql(definition: Stack, database: Database) -> dict[str, Any]:
    return {
        "name": _instance(definition, database.name),
        "title": database.name,
        "version": database.major,
        "port": database.listens,
        "health_port": database.health_port,
        "servers": [{"name": each, "address": definition.servers[each].private} for each in database.servers],
        "clients": [_host(server.private) for server in definition.servers.values()],
        "synchronous": database.synchronous,
        "database": database.inside,
        "extensions": database.extensions,
        "settings": database.settings,
        "archive": _archive(definition, database),
    }


def _host(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


def _archive(definition: Stack, database: Database) -> dict[str, str]:
    """The command that keeps PostgreSQL's log; none without backups.

    Replicas ask for nothing there: one that starts must not wait for a backup server that is away.
    """
    if database.backup is None:
        return {}
    config = f"/etc/longshore/{definition.name}/pgbackrest/pgbackrest.conf"
    program = f"pgbackrest --config={config} --stanza={_instance(definition, database.name)}"
    return {"command": f"{program} archive-push %p"}


def _backups(definition: Stack) -> dict[str, Any]:
    kept, server = definition.backed_up("pgbackrest"), definition.backup_server()
    if not kept or server is None:
        return {}
    return {
        "pgbackrest_name": definition.name,
        "pgbackrest_server": server,
        "pgbackrest_repository": definition.backup_directory(),
        "pgbackrest_target": _target(definition),
        "pgbackrest_passphrase": secrets.kept("databases", _CIPHER),
        "pgbackrest_stanzas": [
            {
                **_kept(definition, database),
                "version": database.major,
                "servers": database.servers,
                "full": _WHOLE[schedule.full],
                "extensions": database.extensions,
            }
            for database in kept
            if (schedule := database.backup) is not None
        ],
        "pgbackrest_run": _RUN,
    }


def _others_backups(definition: Stack) -> dict[str, Any]:
    kept = definition.backed_up("restic")
    if not kept:
        return {}
    return {
        "restic_name": definition.name,
        "restic_repository": f"{definition.backup_directory()}/restic",
        "restic_target": _target(definition),
        "restic_passphrase": secrets.kept("databases", _CIPHER),
        "restic_databases": [
            {
                **_kept(definition, database),
                "engine": database.engine,
                "servers": [{"name": each, "address": definition.servers[each].private} for each in database.servers],
                "health_port": database.health_port or 0,
                "password": secrets.kept("databases", f"{database.name}.replication"),
            }
            for database in kept
        ],
        "restic_run": _RUN,
    }


def _kept(definition: Stack, database: Database) -> dict[str, Any]:
    """What all that is backed up has."""
    schedule = database.backup
    if schedule is None:
        return {}
    return {
        "name": _instance(definition, database.name),
        "port": database.listens,
        "database": database.inside,
        "calendar": schedule.calendar,
        "gap": schedule.gap,
        "keep": round(schedule.keep / 86400),
        "verify": schedule.verify,
        "sql": definition.text(schedule.verify_sql) if schedule.verify_sql else "",
    }


def _target(definition: Stack) -> dict[str, Any]:
    repository = definition.backups.repository if definition.backups is not None else None
    if repository is None or repository.type == "local":
        return {"type": "local"}
    if repository.type == "s3":
        host, port = repository.service
        return {
            "type": "s3",
            "host": host,
            "port": port,
            "bucket": repository.bucket,
            "region": repository.region or "us-east-1",
            "access_key": secrets.trusted(repository.access_key or ""),
            "secret_key": secrets.trusted(repository.secret_key or ""),
        }
    return {
        "type": "sftp",
        "host": repository.host,
        "port": repository.port or 22,
        "user": repository.user,
        "ssh_key": secrets.trusted(repository.ssh_key or ""),
        "known_hosts": definition.text(repository.known_hosts or ""),
    }


def _router(definition: Stack, database: Database, reads: bool) -> dict[str, Any]:
    watching = [definition.servers[each].private for each in definition.sentinels()] if database.watched else []
    return {
        "engine": database.engine,
        "instance": _instance(definition, database.name),
        "sentinels": watching,
        "port": database.listens,
        **({"health_port": database.health_port} if database.health_port is not None else {}),
        "reads": reads,
        "servers": [{"name": each, "address": definition.servers[each].private} for each in database.servers],
    }


def _login(database: Database) -> tuple[str, str]:
    """User and password, as templates."""
    # A user of Valkey may have two passwords.
    alternating = database.engine != "redis"
    kept = f"{secrets.KEPT}.databases['{database.name}.{_LOGIN}']"
    login = f"({kept} | longshore.stack.login('{database.inside}', {alternating}))"
    return f"{{{{ {login}.user }}}}", f"{{{{ {login}.password }}}}"


def _reference(database: Database, user: str, password: str) -> dict[str, Any]:
    """What ``{{ databases.<name>.… }}`` gives."""
    inside, port = database.inside, database.listens
    reader = database.reader or database.name

    def url(host: str) -> Any:
        if database.engine == "redis":
            # How a client is told whom to trust differs from library to library: `authority` is the file.
            return trust_as_template(f"rediss://{user}:{password}@{host}:{port}/0")
        if database.engine == "mariadb":
            # The same goes for these clients.
            return trust_as_template(f"mysql://{user}:{password}@{host}:{port}/{inside}")
        trust = f"sslmode=verify-full&sslrootcert={_AUTHORITY}"
        return trust_as_template(f"postgresql://{user}:{password}@{host}:{port}/{inside}?{trust}")

    return {
        "authority": _AUTHORITY,
        "host": database.name,
        "port": str(port),
        "name": inside,
        "user": trust_as_template(user),
        "password": trust_as_template(password),
        "url": url(database.name),
        "replica_host": reader,
        "replica_url": url(reader),
    }
