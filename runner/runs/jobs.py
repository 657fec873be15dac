# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of a stack: which playbook with which variables each operation is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from longshore.runs.job import Job


@dataclass(frozen=True, kw_only=True)
class Options:
    """What applies to every operation; see ``Job`` for their meaning."""

    check: bool = False
    diff: bool = False
    limit: str | None = None
    forks: int = 20
    verbosity: int = 0
    vault_password_file: Path | None = None
    reason: str = ""


class Jobs:
    """Makes the jobs of one stack file. Whether services and servers exist is for the caller to check."""

    def __init__(self, stack_file: Path, environment: str | None = None, options: Options | None = None) -> None:
        self._stack_file = stack_file
        self._environment = environment
        self._options = options or Options()

    def up(self, *, cluster_wide: bool = False) -> Job:
        """Everything that the stack file says, on every server; ``cluster_wide``: also where other stacks differ."""
        return self._job("site", server_cluster_instead=True) if cluster_wide else self._job("site")

    def plan(self) -> Job:
        """What ``up`` would change; touches nothing."""
        return self._job("site", check=True, diff=True)

    def deploy(self, services: Sequence[str] = ()) -> Job:
        """The services (all, or these) on servers that are already converged."""
        return self._job("deploy", longshore_services=list(services))

    def build(self, services: Sequence[str] = ()) -> Job:
        """The images of the services that are built, without deploying them."""
        return self._job("build", longshore_services=list(services))

    def scale(self, replicas: Mapping[str, str]) -> Job:
        """Replicas of running services: ``{"web": "5"}``, or relative, ``"+2"`` and ``"-1"``."""
        return self._job("scale", longshore_scale=dict(replicas), longshore_scale_state="scaled")

    def restart(self, services: Sequence[str]) -> Job:
        """New tasks for the services, by their update rules."""
        return self._state("restarted", services)

    def stop(self, services: Sequence[str]) -> Job:
        """No tasks for the services, until ``start``."""
        return self._state("stopped", services)

    def start(self, services: Sequence[str]) -> Job:
        """As many tasks as before ``stop``."""
        return self._state("started", services)

    def rollback(self, release: int | None = None) -> Job:
        """Back to a recorded release (default: the one before)."""
        return self._job("rollback") if release is None else self._job("rollback", longshore_release=release)

    def maintenance(self, *, closed: bool) -> Job:
        """The stack's page for the time of maintenance instead of its routes, or no longer."""
        return self._job("maintenance", longshore_maintenance=closed)

    def status(self) -> Job:
        """What runs where; changes nothing."""
        return self._job("status")

    def run(self, service: str, command: Sequence[str]) -> Job:
        """A command once, on the service's image with its environment, secrets and networks."""
        job = self._job("run", longshore_run_service=service, longshore_run_command=list(command))
        return replace(job, log=False)

    def bans(self, action: str, addresses: Sequence[str] = (), **more: int) -> Job:
        """``list``, ``add``, ``remove`` or ``attacks``, on every server that bans; ``more``: ``seconds``, ``hours``."""
        return self._job("bans", longshore_bans={"action": action, "addresses": list(addresses), **more})

    def db_status(self) -> Job:
        """How the databases are; changes nothing."""
        return self._job("database_status")

    def db_order(self, engine: str, instance: str, servers: Sequence[str], order: str, server: str = "") -> Job:
        """``switchover``, ``promote``, ``resync`` or ``remove``, of a database's instance on ``servers``."""
        wanted = {"engine": engine, "instance": instance, "servers": list(servers), "order": order, "server": server}
        return self._job("database_order", longshore_database=wanted)

    def db_forget(
        self, server: str, address: str, databases: Mapping[str, tuple[str, Sequence[str]]], watched: Sequence[str]
    ) -> Job:
        """Have nobody count on a server that is lost; ``databases``: instance → engine and servers.

        ``watched`` are the instances that Sentinels watch.
        """
        orders = [
            {"engine": engine, "instance": instance, "servers": list(servers), "order": "forget", "server": server}
            for instance, (engine, servers) in databases.items()
        ]
        lost = {
            "server": server,
            "address": address,
            "databases": orders,
            "watched": [{"name": name} for name in watched],
        }
        return self._job("database_forget", longshore_lost=lost)

    def db_rotate(self, databases: Sequence[str]) -> Job:
        """New passwords for the services that use these databases."""
        return self._job("database_rotate", longshore_rotated=list(databases))

    def db_rotate_internal(self, databases: Sequence[str]) -> Job:
        """New passwords for what runs inside these databases."""
        return self._job("database_rotate_internal", longshore_rotated=list(databases))

    def db_kept(self) -> Job:
        """What servers keep of databases beside their data."""
        return self._job("database_former", longshore_discarded={})

    def db_discard(self, paths: Mapping[str, Sequence[str]]) -> Job:
        """Remove of what is kept the paths of each server."""
        return self._job("database_former", longshore_discarded={server: list(each) for server, each in paths.items()})

    def db_upgrade(self, engines: Sequence[str]) -> Job:
        """The newest packages of these engines, and restarts of what runs an older one."""
        return self._job("database_upgrade", longshore_upgraded=list(engines))

    def config_diff(self, database: str = "", number: int = 0) -> Job:
        """What would change in the settings of a database (empty: of all): by the stack file, or by a version."""
        compared = {"database": database, "number": number}
        return self._job("database_diff", check=True, longshore_compared=compared)

    def config_compare(self, database: str, number: int, other: int) -> Job:
        """What the version ``other`` of a database's settings has otherwise than ``number``."""
        return self._versions("compared", database, number=number, other=other)

    def config_history(self, database: str) -> Job:
        """The versions of a database's settings."""
        return self._versions("listed", database)

    def config_revert(self, engine: str, database: str, servers: Sequence[str], number: int) -> Job:
        """The settings of a version, on the servers of the database."""
        wanted = {"engine": engine, "database": database, "servers": list(servers), "number": number}
        return self._job("database_revert", longshore_reverting=wanted)

    def _versions(self, state: str, database: str, **more: int) -> Job:
        wanted = {"state": state, "database": database, **more}
        return self._job("database_versions", check=state == "compared", longshore_versions=wanted)

    def db_major(
        self, instance: str, servers: Sequence[str], version: str, *, stanza: str, mode: str = "auto", rehearse: bool
    ) -> Job:
        """A PostgreSQL to another major version; ``stanza``: its backups, for a rehearsal (empty: it has none).

        ``mode`` is that of the module ``postgresql_major``. With ``rehearse`` only the rehearsal, and what can be
        checked while it serves.
        """
        wanted = {"instance": instance, "servers": list(servers), "to": version, "mode": mode, "stanza": stanza}
        playbook = "database_rehearse" if rehearse else "database_major"
        job = self._job(playbook, longshore_major={**wanted, "fresh": not rehearse})
        # They wait for each other, so none of them may wait for its turn.
        return replace(job, forks=max(job.forks, len(servers)))

    def backup(self, action: str, stanzas: Sequence[str], *, check: bool = False, **more: Any) -> Job:
        """``made``, ``proved``, ``listed``, ``described``, ``restored``, ``dropped`` or ``deleted``.

        Databases by the names of their instances. With ``check`` only say what would be done.
        """
        return self._job("backup", check=check, longshore_backup={"action": action, "stanzas": list(stanzas), **more})

    def firewall(self, *, check: bool = False) -> Job:
        """The rules of the firewall on every server; ``check``: only say what would change."""
        return self._job("firewall", check=check, diff=check)

    def firewall_lease(self, servers: Sequence[str], port: int, seconds: int, *, source: str, protocol: str) -> Job:
        """Let ``source`` (empty: this machine) reach a port for so many seconds; 0 closes it again."""
        wanted = {"port": port, "source": source, "protocol": protocol}
        timed = {"state": "present", "seconds": seconds} if seconds else {"state": "absent"}
        return self._job("firewall_lease", longshore_lease={"servers": list(servers), **wanted, **timed})

    def firewall_leases(self, servers: Sequence[str]) -> Job:
        """The leases that servers have: ``Result.leases``."""
        return self._job("firewall_lease", longshore_lease={"servers": list(servers), "state": "listed"})

    def server_drain(self, server: str) -> Job:
        """Move the tasks away from a server."""
        return self._job("server_drain", longshore_server=server)

    def server_activate(self, server: str) -> Job:
        """Let tasks come to a drained server again."""
        return self._job("server_activate", longshore_server=server)

    def server_remove(self, server: str, *, anyway: bool = False) -> Job:
        """Take a server out of the cluster; ``anyway``: although volumes are there, or another stack uses it."""
        return self._job("server_remove", longshore_server=server, longshore_server_anyway=anyway)

    def destroy(self, name: str, *, cluster: bool = False, check: bool = False) -> Job:
        """Remove the stack, or the whole cluster; ``name`` is the stack's name as the operator typed it.

        With ``check`` only say what would go.
        """
        playbook = "destroy_cluster" if cluster else "destroy"
        return self._job(playbook, check=check, diff=check, longshore_destroy={"name": name})

    def _state(self, state: str, services: Sequence[str]) -> Job:
        return self._job("scale", longshore_scale=dict.fromkeys(services, ""), longshore_scale_state=state)

    def _job(self, playbook: str, *, check: bool = False, diff: bool = False, **variables: Any) -> Job:
        options = self._options
        return Job(
            playbook=f"longshore.stack.{playbook}",
            stack_file=self._stack_file,
            environment=self._environment,
            extra_variables=variables,
            check=check or options.check,
            diff=diff or options.diff,
            limit=options.limit,
            forks=options.forks,
            verbosity=options.verbosity,
            vault_password_file=options.vault_password_file,
            reason=options.reason,
        )
