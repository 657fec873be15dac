# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Patroni is told of an instance: the file of each member, and what all members share. Pure.

Names and meanings are those of Patroni's manual ("YAML Configuration Settings", "Dynamic Configuration Settings") and
of PostgreSQL's; roles/postgresql/README.md says where each number comes from.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml
from ansible_collections.longshore.stack.plugins.module_utils import turns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MIB = 1024 * 1024
# The first version that has collations of its own.
BUILTIN = 17
# Has a new primary send its archive what the former one may not have sent.
PROMOTED = "/usr/lib/longshore/postgresql-promoted"
# Extensions that the server has to load at its start. Statistics of statements cost little and are missed later.
PRELOADED = ("pg_stat_statements", "pgaudit", "pg_cron")
# These have to be equal on all members, or Patroni takes them from nowhere else.
SHARED: dict[str, Any] = {
    "max_connections": 200,
    "max_worker_processes": 8,
    "max_prepared_transactions": 0,
    "max_locks_per_transaction": 64,
    "track_commit_timestamp": "off",
    "wal_level": "replica",
    "max_wal_senders": 10,
    "max_replication_slots": 10,
    "wal_keep_size": "256MB",
    "hot_standby": "on",
    # Switching it on later would take a restart; that nothing is archived yet costs nothing.
    "archive_mode": "on",
    "archive_command": "/bin/true",
}
USUAL: dict[str, Any] = {
    "random_page_cost": "1.1",
    "effective_io_concurrency": "200",
    "checkpoint_timeout": "15min",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "wal_compression": "on",
    "huge_pages": "try",
    "idle_in_transaction_session_timeout": "10min",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30s",
    "log_min_duration_statement": "1s",
    "log_checkpoints": "on",
    "log_lock_waits": "on",
    "log_temp_files": "16MB",
    "log_autovacuum_min_duration": "1min",
    "log_line_prefix": "%m [%p] %q%u@%d from %h ",
    "log_timezone": "Etc/UTC",
    "timezone": "Etc/UTC",
}


# What the role says in any case.
OWN = (
    *("ssl", "ssl_cert_file", "ssl_key_file", "ssl_min_protocol_version", "password_encryption"),
    "unix_socket_directories",
)
# What says how its log is archived, where it is.
ARCHIVE = ("archive_command", "archive_timeout")
# What follows from other parts of the stack file than its settings, unless it is given.
DERIVED = ("archive_mode", *ARCHIVE, "cluster_name", "shared_preload_libraries")


def share_of(size: Mapping[str, int], share: float, instances: int) -> tuple[float, int]:
    """What each instance has of a server whose ``size`` is known: bytes of memory, and processors."""
    return (size.get("memory") or 2**31) * share / max(1, instances), size.get("processors") or 2


def sized(memory: float, processors: int) -> dict[str, str]:
    """Settings that depend on what an instance has: ``memory`` in bytes."""
    megabytes = int(memory / MIB)
    half = max(1, min(4, processors // 2))
    return {
        "shared_buffers": f"{max(128, megabytes // 4)}MB",
        "effective_cache_size": f"{max(256, megabytes * 3 // 4)}MB",
        "maintenance_work_mem": f"{max(64, min(2048, megabytes // 16))}MB",
        "work_mem": f"{max(4, megabytes * 3 // 4 // (3 * SHARED['max_connections']))}MB",
        "max_parallel_workers": str(max(2, min(8, processors))),
        "max_parallel_workers_per_gather": str(half),
        "max_parallel_maintenance_workers": str(half),
    }


def _settings(instance: Mapping[str, Any]) -> dict[str, str]:
    """The file's settings; PostgreSQL does not tell capitals from small letters, Patroni does."""
    return {name.lower(): str(value) for name, value in (instance.get("settings") or {}).items()}


def _worked_out(instance: Mapping[str, Any], memory: float, processors: int) -> dict[str, str]:
    """What settings win over; nothing for an instance whose settings are ``exact``."""
    return {} if instance.get("exact") else {**sized(memory, processors), **USUAL}


def changeable(instance: Mapping[str, Any], memory: float, processors: int) -> dict[str, str]:
    """What settings can change: those worked out from ``memory`` and ``processors``, and above them the file's."""
    usual = {**_worked_out(instance, memory, processors), **{name: str(value) for name, value in SHARED.items()}}
    given = _settings(instance)
    archived = ARCHIVE if instance.get("archive") else ()
    return {
        name: value
        for name, value in {**usual, **given}.items()
        if name not in OWN and name not in archived and (name not in DERIVED or name in given)
    }


def dynamic(instance: Mapping[str, Any], timing: Mapping[str, int]) -> dict[str, Any]:
    """What all members share, kept in etcd. ``timing`` has ``ttl``, ``loop`` and ``retry``, in seconds."""
    settings = _settings(instance)
    synchronous = instance.get("synchronous") or False
    archive = instance.get("archive") or {}
    return {
        "ttl": timing["ttl"],
        "loop_wait": timing["loop"],
        "retry_timeout": timing["retry"],
        "maximum_lag_on_failover": MIB,
        "check_timeline": True,
        "failsafe_mode": True,
        "synchronous_mode": bool(synchronous),
        "synchronous_mode_strict": synchronous == "strict",
        "postgresql": {
            "use_slots": True,
            "use_pg_rewind": True,
            # A former primary whose last writes nobody has, and that can't be set back, is copied anew.
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
            "parameters": {
                **{name: settings.get(name, str(value)) for name, value in SHARED.items()},
                **({"archive_command": archive["command"], "archive_timeout": "60s"} if archive else {}),
            },
        },
    }


def parameters(instance: Mapping[str, Any], tls: Mapping[str, str], memory: float, processors: int) -> dict[str, str]:
    """The settings of one member; the file's win over all but those of TLS and passwords."""
    preloaded = ["pg_stat_statements", *(name for name in instance.get("extensions") or [] if name in PRELOADED)]
    settings = _settings(instance)
    return {
        **_worked_out(instance, memory, processors),
        "shared_preload_libraries": ",".join(dict.fromkeys(preloaded)),
        "cluster_name": instance["name"],
        **{name: value for name, value in settings.items() if name not in SHARED},
        "ssl": "on",
        "ssl_cert_file": tls["certificate"],
        "ssl_key_file": tls["key"],
        "ssl_min_protocol_version": "TLSv1.2",
        "password_encryption": "scram-sha-256",
        "unix_socket_directories": "/run/postgresql",
    }


def member(  # noqa: PLR0917 - each is a subject of its own
    instance: Mapping[str, Any],
    name: str,
    etcd: Sequence[str],
    tls: Mapping[str, str],
    passwords: Mapping[str, str],
    shared: Mapping[str, Any],
    settings: Mapping[str, str],
) -> str:
    """The text of a member's file.

    ``tls`` has the paths of ``authority``, and of ``certificate`` and ``key`` for clients of PostgreSQL,
    ``member_certificate`` and ``member_key`` for Patroni and etcd.
    """
    address = next(server["address"] for server in instance["servers"] if server["name"] == name)
    here = f"[{address}]" if ":" in address else address
    base = f"/var/lib/postgresql/{instance['version']}/{instance['name']}"
    programs = f"/usr/lib/postgresql/{instance['version']}/bin"
    peers = {"cacert": tls["authority"], "cert": tls["member_certificate"], "key": tls["member_key"]}
    trusted = {"sslmode": "verify-ca", "sslrootcert": tls["authority"]}
    health = f"{here}:{instance['health_port']}"
    document = {
        "scope": instance["name"],
        "namespace": "/longshore/",
        "name": name,
        "log": {"level": "INFO", "format": "%(levelname)s: %(message)s"},
        "etcd3": {"hosts": list(etcd), "protocol": "https", **peers},
        "restapi": {
            "listen": health,
            "connect_address": health,
            "certfile": tls["member_certificate"],
            "keyfile": tls["member_key"],
            "cafile": tls["authority"],
            # Whoever only looks needs no certificate: the routers.
            "verify_client": "optional",
        },
        "ctl": {"cacert": tls["authority"], "certfile": tls["member_certificate"], "keyfile": tls["member_key"]},
        "bootstrap": {
            "dcs": shared,
            "initdb": [
                {"encoding": "UTF8"},
                *_collation(instance["version"]),
                "data-checksums",
                {"auth-local": "peer"},
                {"auth-host": "scram-sha-256"},
            ],
        },
        "postgresql": {
            "listen": f"{here},127.0.0.1:{instance['port']}",
            "connect_address": f"{here}:{instance['port']}",
            "use_unix_socket": True,
            # Over this a member learns its own timeline, without which nobody takes it for fit to be primary.
            "use_unix_socket_repl": True,
            "data_dir": base,
            "bin_dir": programs,
            "pgpass": f"{base}.pgpass",
            "authentication": {
                "superuser": {"username": "postgres"},
                "replication": {**_inside(passwords["replication"], "replicator"), **trusted},
                "rewind": {**_inside(passwords["rewind"], "rewinder"), **trusted},
            },
            **(
                {"callbacks": {"on_role_change": f"/usr/bin/python3 {PROMOTED} {programs} {base}"}}
                if instance.get("archive")
                else {}
            ),
            "basebackup": [{"checkpoint": "fast"}, {"max-rate": instance.get("copy_rate") or "200M"}],
            "parameters": dict(sorted(settings.items())),
            "pg_hba": _access(instance),
            # A member asks itself without a password: its own copy may not have the one of now yet.
            "pg_ident": ["members postgres replicator", "members postgres replicator_2"],
        },
    }
    # Ansible's texts are of classes of their own, which YAML would not take.
    text: str = yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False, width=200)
    return f"# Written by the role longshore.stack.postgresql: changes are lost.\n{text}"


def _inside(credential: str, user: str) -> dict[str, str]:
    return dict(zip(("username", "password"), turns.inside(credential, user), strict=True))


def _collation(version: str) -> list[dict[str, str]]:
    """One that no update of the C library changes: indexes stay right (initdb's manual, --locale-provider)."""
    if int(version) < BUILTIN:
        # The same order, by the bytes; which letters are capitals is the C library's.
        return [{"locale": "C.UTF-8"}, {"lc-collate": "C"}]
    return [{"locale-provider": "builtin"}, {"builtin-locale": "C.UTF-8"}, {"locale": "C.UTF-8"}]


def _access(instance: Mapping[str, Any]) -> list[str]:
    """Lines of pg_hba.conf: the first that fits decides."""
    # Of each two take turns.
    replicators, rewinders = "replicator,replicator_2", "rewinder,rewinder_2"
    lines = [
        "local all postgres peer",
        "local all all scram-sha-256",
        f"local replication {replicators} peer map=members",
    ]
    for server in instance["servers"]:
        network = f"{server['address']}/{128 if ':' in server['address'] else 32}"
        lines += [
            f"hostssl replication {replicators} {network} scram-sha-256",
            f"hostssl all {rewinders} {network} scram-sha-256",
        ]
    lines.append(f"host all postgres,{replicators},{rewinders} all reject")
    return [*lines, *(f"hostssl all all {network} scram-sha-256" for network in instance.get("clients") or [])]
