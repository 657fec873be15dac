# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the roles that back databases up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.template import trust_as_template
from ansible_collections.longshore.stack.plugins.plugin_utils.inventory import secrets

if TYPE_CHECKING:
    from longshore.definition.backups import Repository
    from longshore.definition.databases import Database
    from longshore.definition.stack import Stack

CREDENTIAL = "backups.passphrase"
# Seconds between two whole backups; an hour less, since a timer is never early.
_WHOLE = {"daily": 86400 - 3600, "weekly": 7 * 86400 - 3600, "monthly": 30 * 86400 - 3600}
_RUN = trust_as_template("{{ longshore_run }}")


def archive(definition: Stack, database: Database) -> dict[str, str]:
    """The command that keeps PostgreSQL's log; none without backups.

    Replicas ask for nothing there: one that starts must not wait for a backup server that is away.
    """
    if database.backup is None:
        return {}
    config = f"/etc/longshore/{definition.name}/pgbackrest/pgbackrest.conf"
    program = f"pgbackrest --config={config} --stanza={definition.instance(database.name)}"
    return {"command": f"{program} archive-push %p"}


def source(definition: Stack, database: Database) -> dict[str, Any]:
    """Where packages of a PostgreSQL come from; empty for the servers' distribution."""
    found = database.source
    if found is None:
        return {}
    return {
        **found.model_dump(include={"uris", "suites", "components"}),
        **({"more": found.more} if found.more else {}),
        **({"key": definition.text(found.key)} if found.key is not None else {"keyring": found.keyring}),
    }


def of_postgresql(definition: Stack) -> dict[str, Any]:
    kept, server = definition.backed_up("pgbackrest"), definition.backup_server()
    if not kept or server is None:
        return {}
    return {
        "pgbackrest_name": definition.name,
        "pgbackrest_server": server,
        "pgbackrest_repository": definition.backup_directory(),
        "pgbackrest_target": _target(definition, _repository(definition)),
        "pgbackrest_copies": _copies(definition),
        "pgbackrest_passphrase": secrets.kept("databases", CREDENTIAL),
        "pgbackrest_stanzas": [
            {
                **_kept(definition, database),
                "version": database.major,
                "source": source(definition, database),
                "servers": database.servers,
                "full": _WHOLE[schedule.full],
                "extensions": database.extensions,
            }
            for database in kept
            if (schedule := database.backup) is not None
        ],
        "pgbackrest_run": _RUN,
    }


# Whose password fetches what is backed up, where it is not that of `replication`.
_FETCHING = {"rabbitmq": "admin"}


def of_others(definition: Stack) -> dict[str, Any]:
    kept = definition.backed_up("restic")
    if not kept:
        return {}
    return {
        "restic_name": definition.name,
        "restic_repository": f"{definition.backup_directory()}/restic",
        "restic_target": _target(definition, _repository(definition)),
        "restic_copies": _copies(definition, "/restic"),
        "restic_passphrase": secrets.kept("databases", CREDENTIAL),
        "restic_databases": [
            {
                **_kept(definition, database),
                "engine": database.engine,
                "servers": [{"name": each, "address": definition.servers[each].private} for each in database.servers],
                "health_port": database.health_port or 0,
                "password": secrets.kept(
                    "databases", f"{database.name}.{_FETCHING.get(database.engine, 'replication')}"
                ),
                "bandwidth": (database.backup.bandwidth if database.backup is not None else None) or 0,
            }
            for database in kept
        ],
        "restic_run": _RUN,
    }


def former_units(definition: Stack, name: str) -> list[dict[str, Any]]:
    """What a server may have that makes backups of databases, and the units of it that are wanted there.

    Backups of one whose ``backup`` is gone from the file end, and so they do on a server that makes them no longer.
    """
    own = f"/var/lib/longshore/{definition.name}"
    tools = [tool for tool in ("pgbackrest", "restic") if definition.backed_up(tool)]
    here = name == definition.backup_server()
    held = [each for tool in tools for each in definition.backed_up(tool)] if here else []
    copies = definition.backups.copies if here and definition.backups is not None else {}
    wanted = {
        "backup": [definition.instance(each.name) for each in held],
        "log": [definition.instance(each.name) for each in held if each.engine == "mariadb"],
        "copy": [f"{definition.name}-{copy}-{tool}" for copy in copies for tool in tools],
    }
    return [
        {
            "pattern": f"longshore-{kind}-{definition.name}-*.service",
            # Another stack's name may begin like this one's.
            "containing": f" /etc/longshore/{definition.name}/",
            "keep": [f"longshore-{kind}-{each}.service" for each in keep],
            "data": [f"{own}/{place}" for place in ("backups", "backup-reports", "backup-reports-restic")],
        }
        for kind, keep in wanted.items()
    ]


def _kept(definition: Stack, database: Database) -> dict[str, Any]:
    """What all that is backed up has."""
    schedule = database.backup
    if schedule is None:
        return {}
    return {
        "name": definition.instance(database.name),
        "port": database.listens,
        "database": database.inside,
        "calendar": schedule.calendar,
        "gap": schedule.gap,
        "keep": round(schedule.keep / 86400),
        "verify": schedule.verify,
        "sql": definition.text(schedule.verify_sql) if schedule.verify_sql else "",
    }


def _repository(definition: Stack) -> Repository | None:
    return definition.backups.repository if definition.backups is not None else None


def _copies(definition: Stack, inside: str = "") -> list[dict[str, Any]]:
    """Where all of it is too; ``inside``: the directory there."""
    found = definition.backups.copies if definition.backups is not None else {}
    return [
        {
            "name": name,
            "target": _target(definition, copy),
            "path": f"{definition.backup_directory(copy)}{inside}",
            "bandwidth": copy.bandwidth or 0,
        }
        for name, copy in found.items()
    ]


def _target(definition: Stack, repository: Repository | None) -> dict[str, Any]:
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
