# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack for programs: load its file, then deploy, scale, roll back or remove it, and see what runs.

Of the command line's commands ``logs``, ``exec`` and ``run`` are not here: they are about a terminal.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longshore.runs import Event, Job, Result, Run, start
from longshore.runs.jobs import Jobs, Options

if TYPE_CHECKING:
    from longshore.definition import Stack as Definition
    from longshore.definition.databases import Database

OnEvent = Callable[[Event], None]
# Engines whose packages `db upgrade` brings to the newest version.
_UPGRADING = ("postgresql", "mariadb", "redis")
# Engines of whose settings versions are kept.
_KEPT = ("postgresql", "mariadb", "redis", "rabbitmq")
# Engines whose servers know each other, besides a Redis, of which the Sentinels know.
_FORGETTING = ("postgresql", "mariadb", "rabbitmq")
_REPLICAS = re.compile(r"[+-]?[0-9]{1,6}")


class BadInput(ValueError):
    """What was asked for cannot be done with this stack file; the message says why."""


class Stack:
    """One stack file.

    Each operation blocks, hands every event to ``on_event`` as it happens, and gives the ``Result``; it raises
    ``BadInput`` before anything is touched. To do something else meanwhile, or to cancel, ``start()`` a job of
    ``jobs`` and read ``Run.events()``:

        with stack.start(stack.jobs.up()) as run:
            for event in run.events():
                ...
    """

    def __init__(self, definition: Definition, environment: str | None, options: Options) -> None:
        self.definition = definition
        self.environment = environment
        self.options = options

    @classmethod
    def load(
        cls, path: str | os.PathLike[str] = "stack.yml", environment: str | None = None, options: Options | None = None
    ) -> Stack:
        """Read and check a stack file. Raises ``longshore.definition.DefinitionError`` with all that is wrong."""
        from longshore.definition import load  # noqa: PLC0415 - pydantic's 0.2 s only when a file is read

        return cls(load(path, environment), environment, options or Options())

    @property
    def path(self) -> Path:
        """The stack file, absolute."""
        return self.definition.path

    @property
    def name(self) -> str:
        """The stack's name."""
        return str(self.definition.name)

    @property
    def jobs(self) -> Jobs:
        """What can be started."""
        return Jobs(self.path, self.environment, self.options)

    def start(self, job: Job) -> Run:
        """Start a job; returns at once."""
        return start(job)

    def run_job(self, job: Job, on_event: OnEvent | None = None) -> Result:
        """Start a job and see it through. An exception (also from ``on_event``) cancels the run before it goes on."""
        with self.start(job) as run:
            for event in run.events():
                if on_event is not None:
                    on_event(event)
        return run.wait()

    def up(self, on_event: OnEvent | None = None, *, cluster_wide: bool = False) -> Result:
        """Everything that the file says, on every server; ``cluster_wide``: also where other stacks of them differ."""
        return self.run_job(self.jobs.up(cluster_wide=cluster_wide), on_event)

    def plan(self, on_event: OnEvent | None = None) -> Result:
        """What ``up`` would change: ``Result.changes``. Touches nothing."""
        return self.run_job(self.jobs.plan(), on_event)

    def deploy(self, services: Sequence[str] = (), on_event: OnEvent | None = None) -> Result:
        """The services (all, or these), on servers that are converged already."""
        return self.run_job(self.jobs.deploy(self.services(services)), on_event)

    def build(self, services: Sequence[str] = (), on_event: OnEvent | None = None) -> Result:
        """The images of the services that are built (all, or these)."""
        return self.run_job(self.jobs.build(self.services(services)), on_event)

    def scale(self, replicas: dict[str, str | int], on_event: OnEvent | None = None) -> Result:
        """Replicas of services, absolute (``5``) or relative (``"+2"``, ``"-1"``)."""
        return self.run_job(self.jobs.scale(self.replicas(replicas)), on_event)

    def restart(self, services: Sequence[str], on_event: OnEvent | None = None) -> Result:
        """New tasks for services, by their update rules."""
        return self.run_job(self.jobs.restart(self.services(services)), on_event)

    def stop(self, services: Sequence[str], on_event: OnEvent | None = None) -> Result:
        """No tasks for services, until ``start_services``."""
        return self.run_job(self.jobs.stop(self.services(services)), on_event)

    def start_services(self, services: Sequence[str], on_event: OnEvent | None = None) -> Result:
        """As many tasks as before ``stop``."""
        return self.run_job(self.jobs.start(self.services(services)), on_event)

    def rollback(self, release: int | None = None, on_event: OnEvent | None = None) -> Result:
        """Back to a recorded release (default: the one before)."""
        return self.run_job(self.jobs.rollback(release), on_event)

    def maintenance(self, *, closed: bool, on_event: OnEvent | None = None) -> Result:
        """The stack's page for the time of maintenance instead of its routes, or no longer."""
        return self.run_job(self.jobs.maintenance(closed=closed), on_event)

    def status(self, on_event: OnEvent | None = None) -> Result:
        """What runs where: ``Result.data["stack_info"]``."""
        return self.run_job(self.jobs.status(), on_event)

    def releases(self, on_event: OnEvent | None = None) -> list[dict[str, Any]]:
        """The releases that ``rollback`` can go back to, the newest first. Raises ``RuntimeError`` with why not."""
        result = self.status(on_event)
        if "stack_info" not in result.data:
            raise RuntimeError("\n".join(failure.message for failure in result.failures) or result.status.value)
        found: list[dict[str, Any]] = result.data["stack_info"].get("releases") or []
        return found

    def bans(self, on_event: OnEvent | None = None) -> Result:
        """Who is banned: ``Result.bans``, by server."""
        return self.run_job(self.bans_job("list"), on_event)

    def bans_job(self, action: str, addresses: Sequence[str] = (), *, duration: str = "1d", hours: int = 24) -> Job:
        """The job that lists, adds or removes bans, or tells the ``attacks`` of the last ``hours``.

        ``duration`` is how long ``add`` bans, such as ``2h``, or ``ever``. Raises ``BadInput`` for what is no address,
        no duration, or one of the stack's own servers, and where nobody is banned by the stack file.
        """
        from longshore.definition import bans  # noqa: PLC0415 - as above

        if self.definition.bans is None or not self.definition.bans.enabled:
            raise BadInput("this stack bans nobody; `bans: true` in its file, and `longshore up`, change that")
        try:
            wanted = bans.asked(self.definition, addresses, banned=action == "add")
            seconds = bans.seconds(duration)
        except ValueError as error:
            raise BadInput(f"{error}; nothing was touched") from error
        return self.jobs.bans(action, wanted, seconds=seconds, hours=hours)

    def db_status(self, on_event: OnEvent | None = None) -> Result:
        """How the databases are: ``Result.databases``."""
        return self.run_job(self.jobs.db_status(), on_event)

    def config_diff(
        self, database: str = "", number: int = 0, other: int = 0, on_event: OnEvent | None = None
    ) -> Result:
        """What would change in settings, as ``config_diff_of`` takes it: ``Result.changes``. Touches nothing."""
        return self.run_job(self.config_diff_of(database, number, other), on_event)

    def config_history(self, database: str, on_event: OnEvent | None = None) -> Result:
        """The versions of a database's settings, newest first: ``Result.data["database_versions"]["versions"]``."""
        return self.run_job(self.config_history_of(database), on_event)

    def config_revert(self, database: str, number: int, on_event: OnEvent | None = None) -> Result:
        """The settings of a version, checked and rolled out as by ``up``, whose next run brings the file's again."""
        return self.run_job(self.config_revert_of(database, number), on_event)

    def db_order(self, database: str, order: str, server: str = "", on_event: OnEvent | None = None) -> Result:
        """``switchover``, ``promote``, ``resync`` or ``remove`` of a database, as ``order_of`` takes them."""
        return self.run_job(self.order_of(database, order, server), on_event)

    def db_rotate(self, databases: Sequence[str], on_event: OnEvent | None = None, *, internal: bool = False) -> Result:
        """New passwords for the services that use these databases, or for what runs inside; nobody is cut off."""
        return self.run_job((self.internal_rotation_of if internal else self.rotation_of)(databases), on_event)

    def internal_rotation_of(self, databases: Sequence[str]) -> Job:
        """The job of ``db_rotate`` with ``internal``. Raises ``BadInput`` for one that has no such passwords."""
        names = list(dict.fromkeys(databases))
        holding = self.definition.logical_databases()
        for name in names:
            _known("database", name, holding)
            held = self._managed(holding[name].name, "rotate")
            if held.name != name:
                raise BadInput(f"{name} is in {held.name}, whose passwords inside are for all of it: say {held.name}")
            if held.engine == "memcached":
                raise BadInput(f"{name} is a memcached, which has no password")
        return self.jobs.db_rotate_internal(names)

    def rotation_of(self, databases: Sequence[str]) -> Job:
        """The job of ``db_rotate``.

        Raises ``BadInput`` for a database that is not in the file, or whose password a service would keep.
        """
        names = list(dict.fromkeys(databases))
        holding = self.definition.logical_databases()
        for name in names:
            _known("database", name, holding)
            if self._managed(holding[name].name, "rotate").engine == "memcached":
                raise BadInput(f"{name} is a memcached, which has no password")
        for service in self.definition.services.values():
            if kept := [f"{variable} ({name})" for name in names for variable in service.unbound(name)]:
                raise BadInput(
                    f"{service.name} would be cut off: a filter makes the password part of {', '.join(kept)}. "
                    "Take the filter out and deploy first"
                )
        return self.jobs.db_rotate(names)

    def db_kept(self, on_event: OnEvent | None = None) -> Result:
        """What servers keep of databases that nothing uses: ``Result.databases``, with ``former`` of each server."""
        return self.run_job(self.jobs.db_kept(), on_event)

    def db_discard(self, paths: Mapping[str, Sequence[str]], on_event: OnEvent | None = None) -> Result:
        """Remove paths of what ``db_kept`` told, by server. One that is not kept there is refused."""
        return self.run_job(self.jobs.db_discard(paths), on_event)

    def upgrade_of(self, databases: Sequence[str] = ()) -> Job:
        """The job of ``db_upgrade`` for the engines of these databases (none: of all that can be upgraded).

        Raises ``BadInput`` for one that is not in the file, or whose engine can't be upgraded so.
        """
        for name in databases:
            if (engine := self._managed(name, "upgrade").engine) not in _UPGRADING:
                raise BadInput(f"{name} is a {engine}: to upgrade it is not supported yet")
        known = self.definition.databases
        engines = {known[name].engine for name in databases or known if known[name].external is None}
        if not engines & set(_UPGRADING):
            raise BadInput("the stack has no database that could be upgraded")
        return self.jobs.db_upgrade(sorted(engines & set(_UPGRADING)))

    def config_diff_of(self, database: str = "", number: int = 0, other: int = 0) -> Job:
        """The job that tells what would change in the settings of ``database`` (empty: of all).

        By the stack file; with a ``number`` by bringing that version back; with an ``other`` one from version to
        version. Raises ``BadInput`` for a database that is not in the file, or whose settings have no versions.
        """
        if database:
            self._versioned(database)
        elif not any(each.engine in _KEPT and each.external is None for each in self.definition.databases.values()):
            raise BadInput("the stack has no database whose settings could be compared")
        if other:
            return self.jobs.config_compare(database, number, other)
        return self.jobs.config_diff(database, number)

    def config_history_of(self, database: str) -> Job:
        """The job that tells the versions of a database's settings. Raises as ``config_diff_of``."""
        self._versioned(database)
        return self.jobs.config_history(database)

    def config_revert_of(self, database: str, number: int) -> Job:
        """The job that brings the settings of a version back. Raises as ``config_diff_of``."""
        known = self._versioned(database)
        return self.jobs.config_revert(known.engine, database, known.servers, number)

    def _versioned(self, database: str) -> Database:
        known = self._managed(database, "config")
        if known.engine not in _KEPT:
            raise BadInput(f"{database} is a {known.engine}: its settings have no versions")
        return known

    def major_of(self, database: str, version: str, *, mode: str = "auto", rehearse: bool = False) -> Job:
        """The job that brings a PostgreSQL to another major version, or only rehearses it.

        Raises ``BadInput`` for another engine, an unknown version, and one that the stack file does not ask for yet.
        """
        from longshore.definition.databases import VERSIONS  # noqa: PLC0415 - as above

        known = self._managed(database, "upgrade")
        if known.engine != "postgresql":
            raise BadInput(f"{database} is a {known.engine}: to upgrade it to another major version is not supported")
        if version not in VERSIONS["postgresql"]:
            raise BadInput(f"there is no PostgreSQL {version[:20]} here, but {', '.join(VERSIONS['postgresql'])}")
        if known.directory is not None:
            raise BadInput(
                f"the data of {database} are in {known.directory}, where an upgrade to another major version is not "
                "supported yet: take `directory` out, `longshore up`, and move them back after it"
            )
        if not rehearse and known.major != version:
            raise BadInput(
                f"the stack file says that {database} is of version {known.major}. Write `version: {version}` there "
                "first; to try before: --rehearse"
            )
        stanza = self.definition.instance(database) if known.backup is not None else ""
        instance = self.definition.instance(database)
        return self.jobs.db_major(instance, known.servers, version, stanza=stanza, mode=mode, rehearse=rehearse)

    def backup_of(self, action: str, databases: Sequence[str] = (), **more: Any) -> Job:
        """The job that does something with backups of databases (none: of all that have some).

        ``action`` and ``more`` (``full``, ``name``, ``at``, ``label``, ``source``, ``dependents``, ``check``) are
        those of ``Jobs.backup``. Raises ``BadInput`` for a database that has no backups, and for an unknown copy.
        """
        self.copy_of_backups(more.get("source") or "")
        return self.jobs.backup(action, self.stanzas(databases), **more)

    def stanzas(self, databases: Sequence[str] = ()) -> list[str]:
        """The names under which databases (none: all that have some) are backed up; raises ``BadInput``."""
        kept = [name for name, database in self.definition.databases.items() if database.backup is not None]
        for name in databases:
            if self._managed(name, "backup").backup is None:
                raise BadInput(f"{name} is not backed up: give it a `backup` in the stack file")
        if not kept:
            raise BadInput("no database of this stack is backed up")
        return [self.definition.instance(name) for name in databases or kept]

    def copy_of_backups(self, name: str) -> None:
        """Raise ``BadInput`` for a copy that is not in the file; empty: the backups themselves."""
        known = self.definition.backups.copies if self.definition.backups is not None else {}
        if name:
            _known("copy of the backups", name, known)

    def fillable(self, database: str) -> None:
        """Raise ``BadInput`` for a database that no dump can be put into."""
        engine = self._managed(database, "import").engine
        if engine not in ("postgresql", "mariadb"):
            raise BadInput(f"{database} is a {engine}: to put a dump into it is not supported")

    def replaceable(self, database: str) -> str:
        """The engine of a database. Raises ``BadInput`` for one that no backup can be put in the place of."""
        engine = self._managed(database, "replace").engine
        if engine not in ("postgresql", "mariadb"):
            raise BadInput(
                f"{database} is a {engine}: to replace it by a backup is not supported yet; "
                "longshore backup restore makes an instance to copy from"
            )
        return engine

    def order_of(self, database: str, order: str, server: str = "") -> Job:
        """The job that has ``server`` (empty: the best replica) become primary, copy the primary's data anew, or leave.

        Raises ``BadInput`` for a database or server that is not in the file, or that has no replica.
        """
        known = self._managed(database, order)
        if known.engine == "memcached":
            raise BadInput(
                f"{database} is a memcached: its servers are no copies of each other, so there is no {order}"
            )
        if server:
            _known(f"server of {database}", server, known.servers)
        if known.engine == "rabbitmq" and order != "remove":
            raise BadInput(f"{database} is a rabbitmq, whose servers are all alike: there is no {order}")
        if len(known.servers) == 1:
            raise BadInput(f"{database} is on one server, {known.servers[0]}: there is no replica")
        return self.jobs.db_order(known.engine, self.definition.instance(database), known.servers, order, server)

    def forgetting_of(self, server: str) -> Job:
        """The job that has no database count on ``server`` any more, which is lost for good.

        Raises ``BadInput`` for one that is not in the file, or that no database has to do with.
        """
        definition = self.definition
        known = definition.servers[_known("server", server, definition.servers)]
        databases = {
            definition.instance(name): (database.engine, database.servers)
            for name, database in definition.databases.items()
            if server in database.servers and database.engine in _FORGETTING
        }
        if not (databases or server in (*definition.etcd_members(), *definition.sentinels())):
            raise BadInput(f"no database has to do with {server}; longshore server remove takes it out of the cluster")
        watched = [definition.instance(name) for name, each in definition.databases.items() if each.watched]
        return self.jobs.db_forget(server, known.private, databases, watched)

    def _managed(self, name: str, what: str) -> Database:
        """The database, if it is in the file and not somebody else's; else raises ``BadInput``."""
        found = self.definition.databases[_known("database", name, self.definition.databases)]
        if found.external is not None:
            raise BadInput(
                f"{name} is external, so {what} is for whoever runs it; Longshore only checks that it answers"
            )
        return found

    def server_drain(self, server: str, on_event: OnEvent | None = None) -> Result:
        """Move the tasks away from a server."""
        return self.run_job(self.jobs.server_drain(self.server(server)), on_event)

    def server_activate(self, server: str, on_event: OnEvent | None = None) -> Result:
        """Let tasks come to a drained server again."""
        return self.run_job(self.jobs.server_activate(self.server(server)), on_event)

    def server_remove(self, server: str, on_event: OnEvent | None = None, *, anyway: bool = False) -> Result:
        """Take a server out of the cluster; ``anyway``: although volumes are there, or another stack uses it."""
        return self.run_job(self.jobs.server_remove(self.server(server), anyway=anyway), on_event)

    def destroy(self, name: str, *, cluster: bool = False, on_event: OnEvent | None = None) -> Result:
        """Remove the stack (``cluster``: everything). ``name`` must be its name: nobody destroys by accident."""
        if name != self.name:
            raise BadInput(f"{name!r} is not the name of this stack; nothing was touched")
        return self.run_job(self.jobs.destroy(name, cluster=cluster), on_event)

    def with_options(self, **changes: object) -> Stack:
        """The same stack with other ``Options``."""
        return Stack(self.definition, self.environment, replace(self.options, **changes))  # type: ignore[arg-type]

    def guarded(self, servers: Sequence[str] = ()) -> list[str]:
        """``servers`` (none: all of them), if the stack file has a ``firewall``; else raises ``BadInput``."""
        if self.definition.firewall is None:
            raise BadInput("the stack file has no `firewall`: nothing is kept out of its servers")
        return [self.server(name) for name in servers] or list(self.definition.servers)

    def probed(self, servers: Sequence[str] = (), ports: str = "", source: str = "") -> list[dict[str, Any]]:
        """Dial the servers from here: what ``longshore.runs.doors.compare`` gives, of ``ports`` (``1-1024``) too."""
        from longshore.definition.scalars import expand_range, is_ip  # noqa: PLC0415 - as above
        from longshore.runs.doors import compare  # noqa: PLC0415 - as above

        names = self.guarded(servers)
        try:
            low, high = expand_range(ports) if ports else (1, 0)
        except ValueError as error:
            raise BadInput(f"--ports: {error}") from error
        if source and not is_ip(source):
            raise BadInput(f"--from: {source[:64]!r} is not an address")
        return compare(self.definition, names, range(low, high + 1), source)

    def lease_of(
        self, port: int, duration: str, *, source: str = "", protocol: str = "tcp", servers: Sequence[str] = ()
    ) -> Job:
        """The job that lets ``source`` reach a port for a time such as ``20m``; ``0`` ends that.

        ``source`` is an address, ``any``, or empty for this machine. Raises ``BadInput`` for what can't be, and for a
        longer time than the stack file allows.
        """
        from longshore.definition.scalars import is_ip, seconds  # noqa: PLC0415 - as above

        names = self.guarded(servers)
        firewall = self.definition.firewall
        try:
            length = round(seconds(duration))
        except ValueError as error:
            raise BadInput(f"--for {duration[:40]}: {error}") from error
        if firewall is not None and length > firewall.longest_lease:
            raise BadInput(
                f"--for {duration}: the longest lease is {firewall.longest_lease:.0f} s (firewall.longest_lease); "
                "what is needed for good belongs into firewall.allow"
            )
        if source and source != "any" and not is_ip(source):
            raise BadInput(f"--from: {source[:64]!r} is not an address: a lease is for one, or for any")
        if protocol not in ("tcp", "udp"):
            raise BadInput(f"--protocol: {protocol[:20]!r} is neither tcp nor udp")
        return self.jobs.firewall_lease(names, port, length, source=source, protocol=protocol)

    def services(self, names: Sequence[str]) -> list[str]:
        """``names``, if each is a service of the stack; else raises ``BadInput``."""
        return [self.service(name) for name in dict.fromkeys(names)]

    def service(self, name: str) -> str:
        """``name``, if it is a service of the stack; else raises ``BadInput``."""
        return _known("service", name, self.definition.services)

    def server(self, name: str) -> str:
        """``name``, if it is a server of the stack; else raises ``BadInput``."""
        return _known("server", name, self.definition.servers)

    def replicas(self, wanted: dict[str, str | int]) -> dict[str, str]:
        """``wanted`` with text for numbers; raises ``BadInput`` for an unknown service or what is not a number."""
        for service, replicas in wanted.items():
            self.service(service)
            if not _REPLICAS.fullmatch(str(replicas)):
                raise BadInput(f"{service}={replicas}: give a number, or one with a sign: {service}=5, {service}=+2")
            if self.definition.services[service].normalized().get("mode") == "global":
                raise BadInput(f"{service} runs once on every server (mode: global), so it has no replicas to scale")
        return {service: str(replicas) for service, replicas in wanted.items()}


def _known(kind: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names) or 'none'}"
    raise BadInput(f"there is no {kind} {name!r} in the stack file ({hint})")
