# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases: their servers, names and ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..databases import PORTS, VERSIONS, quorum
from ..packages import HAVING
from . import external, memcached, rabbitmq, whole_file

if TYPE_CHECKING:
    from ..backups import Backups, Repository
    from ..databases import Database
    from .context import Context

Path = tuple[str | int, ...]
_DAY = 86400.0
_MAJORITY = 3
# Users of what runs inside, two of each, which take turns; one of a Redis may have two passwords.
_INSIDE = {
    "postgresql": ("monitor", "monitor_2", "replicator", "replicator_2", "rewinder", "rewinder_2"),
    "mariadb": ("monitor", "monitor_2", "replication", "replication_2"),
    "rabbitmq": ("admin", "admin_2", "monitor", "monitor_2"),
}
# Engine → the logical databases that PostgreSQL brings (initdb's manual), what Patroni and we log in as; MariaDB's own
# and the users of roles/mariadb; the users that roles/valkey and roles/rabbitmq make.
_TAKEN = {
    "postgresql": frozenset({"postgres", "template0", "template1", *_INSIDE["postgresql"]}),
    "mariadb": frozenset(
        {"mysql", "information_schema", "performance_schema", "sys", "root", "backup", *_INSIDE["mariadb"]}
    ),
    "redis": frozenset({"default", "admin", "replication", "sentinel", "router", "monitor"}),
    "memcached": frozenset(),
    "rabbitmq": frozenset({"guest", "backup", *_INSIDE["rabbitmq"]}),
}
# What a restart empties, a package owns, or holds data of the engines and of Longshore already.
_NOT_FOR_DATA = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/run"),
    *("/tmp", "/var/tmp"),  # noqa: S108 - nothing is written there
    *("/var/cache", "/var/log", "/var/lib/docker", "/var/lib/longshore", "/var/lib/postgresql"),
    *("/var/lib/mariadb", "/var/lib/mysql", "/var/lib/valkey", "/var/lib/redis", "/var/lib/rabbitmq"),
)
_PAGES = "vm.nr_hugepages"
# Engines with more logical databases than one.
_LOGICAL = ("postgresql", "mariadb")
# What {{ databases.NAME.… }} knows.
_PARTS = ("authority", "host", "name", "password", "port", "replica_host", "replica_url", "url", "user")
_PARTS_OF_READER = ("reader_password", "reader_url", "reader_user")
_PARTS_OF_CACHE = ("authority", "host", "port", "servers", "url")


def parts(database: Database | None) -> tuple[str, ...]:
    """What ``{{ databases.NAME.… }}`` knows of this one; of an unknown one what there may be."""
    if database is None:
        return (*_PARTS, *_PARTS_OF_READER, "servers")
    if database.external is not None:
        return external.parts(database.external)
    if database.engine == "memcached":
        return _PARTS_OF_CACHE
    return _PARTS if database.engine == "rabbitmq" else tuple(sorted((*_PARTS, *_PARTS_OF_READER)))


def check(context: Context) -> None:
    """Check the sections ``databases`` and ``backups``."""
    backups = context.stack.backups
    if backups is not None and backups.server is not None:
        context.expect("servers", backups.server, ("backups", "server"), "server")
    if backups is not None:
        _copies(context, backups)
    for name, database in context.stack.databases.items():
        if database.engine not in PORTS:
            # What is not supported yet has been said.
            continue
        base: Path = ("databases", name)
        if database.external is not None:
            external.check(context, database, database.external, base)
            continue
        _version(context, database, base)
        _servers(context, database, base)
        _names(context, name, database, base)
        _also(context, database, base)
        _backup(context, database, base)
        if database.engine != "postgresql":
            _plain(context, database, base)
        whole_file.check(context, database, base)
        if database.engine in _OF_ENGINE:
            _OF_ENGINE[database.engine](context, database, base)
        if not database.tls and database.engine != "memcached":
            context.complain((*base, "tls"), f"a {database.engine} takes no connection without TLS", "take it out")
        _directory(context, database, base)
        _huge_pages(context, database, base)
        _ports(context, database, base)


def _huge_pages(context: Context, database: Database, base: Path) -> None:
    """How many there are is said once."""
    stack = context.stack
    own = [name for name in database.servers if name in stack.servers and _PAGES in stack.servers[name].sysctl]
    if database.engine == "postgresql" and database.huge_pages and (own or _PAGES in stack.sysctl):
        words = f"{_PAGES} is in sysctl{f' of {own[0]}' if own else ''} too, and follows from what PostgreSQL needs"
        context.complain((*base, "huge_pages"), words, "take one of them out")


def _directory(context: Context, database: Database, base: Path) -> None:
    """Not where the system, other data or nothing lasting is."""
    directory = database.directory
    if directory is None:
        return
    inside = next((each for each in _NOT_FOR_DATA if f"{directory}/".startswith(f"{each}/")), None)
    if database.engine == "memcached":
        context.complain((*base, "directory"), "a memcached has nothing on a disk", "take it out")
    elif inside is not None:
        words = f"{inside} belongs to the system, to programs or to nothing that lasts"
        context.complain((*base, "directory"), words, "name a disk's mount point, such as /mnt/fast")


def _copies(context: Context, backups: Backups) -> None:
    """Two of them, or one and the backups themselves, in one place would be one."""

    def place(repository: Repository) -> tuple[str, ...]:
        where = (repository.endpoint or "", repository.bucket or "", repository.host or "", str(repository.port or ""))
        return (*where, context.stack.backup_directory(repository).rstrip("/"))

    taken = {place(backups.repository): "the backups themselves"}
    for name, copy in backups.copies.items():
        here = place(copy)
        for other, whose in taken.items():
            paths = sorted((f"{here[-1]}/", f"{other[-1]}/"))
            if here[:-1] == other[:-1] and paths[1].startswith(paths[0]):
                words = f"is where {whose} are, or one is inside the other"
                context.complain(("backups", "copies", name), words, "give it a path of its own")
        taken[here] = f"those of the copy {name}"


def _ports(context: Context, database: Database, base: Path) -> None:
    """Those that follow from its own."""
    following = {
        "its health would be told": database.health_port,
        "its servers would speak with each other": database.peer_port,
        "its figures would be told": database.exporter_port,
    }
    for what, port in following.items():
        if port is not None and not 1 <= port <= 65535:
            context.complain((*base, "port"), f"{what} on port {port}, which there is not")
            return


def _version(context: Context, database: Database, base: Path) -> None:
    known = VERSIONS[database.engine]
    if database.version is not None and database.version not in known:
        words = f"{database.engine} {database.version[:20]} is not supported"
        context.complain((*base, "version"), words, f"there is: {', '.join(known)}")
    elif database.engine == "postgresql":
        _source(context, database, base)


def _source(context: Context, database: Database, base: Path) -> None:
    """Whether the version is where its packages are to come from."""
    source = database.source
    name = source.known if source is not None else ""
    having = HAVING.get(name, VERSIONS["postgresql"]) if name is not None else VERSIONS["postgresql"]
    if database.major not in having:
        key = "version" if database.version is not None else "source"
        where = f"the source {name}" if name else "the servers' distribution"
        others = "source: pgdg has it" + "".join(
            f", and so has source: {each}" for each, versions in HAVING.items() if each and database.major in versions
        )
        context.complain((*base, key), f"{where} has no postgresql {database.major}", others)


def _also(context: Context, database: Database, base: Path) -> None:
    """Each has an owner and a reader, who take turns with a second one; no two of these may be called alike."""

    def users(name: str) -> set[str]:
        return {f"{database.called(name)}{role}{turn}" for role in ("", "_reader") for turn in ("", "_2")}

    if database.also and database.engine not in _LOGICAL:
        context.complain((*base, "also"), f"a {database.engine} has no logical databases", "take it out")
        return
    taken = dict.fromkeys(users(database.name), database.name)
    for index, name in enumerate(database.also):
        place = (*base, "also", index)
        other = next((taken[user] for user in sorted(users(name)) if user in taken), None)
        holder = next((each.name for each in context.stack.databases.values() if name in each.also), None)
        if database.called(name) in _TAKEN[database.engine]:
            context.complain(place, f"'{name}' is a name of the engine's own or of ours; call it otherwise")
        elif other is not None:
            context.complain(place, f"the users of '{name}' would be called like some of '{other}'")
        elif name in context.names("databases") or holder != database.name:
            context.complain(place, f"there is another database '{name}'")
        taken |= dict.fromkeys(users(name), name)


def _servers(context: Context, database: Database, base: Path) -> None:
    seen: set[str] = set()
    for key in ("servers", "witnesses"):
        for index, server in enumerate(getattr(database, key)):
            path = (*base, key, index)
            if not context.expect("servers", server, path, "server"):
                continue
            if server in seen:
                context.complain(path, f"'{server}' is named twice")
            seen.add(server)
    if database.synchronous and len(database.servers) == 1 and database.engine != "memcached":
        words = "there is no second server for which a commit could wait"
        context.complain((*base, "synchronous"), words, "name two servers, or leave it out")
    if database.agreed and len(database.servers) > 1 and len(quorum(context.stack)) == 1 and context.whole("servers"):
        words = f"nobody becomes its primary while {quorum(context.stack)[0]} is away: two can't outvote each other"
        context.notice((*base, "servers"), words, "a third server in the stack is enough, with or without data")


def _plain(context: Context, database: Database, base: Path) -> None:
    """What only PostgreSQL has."""
    if database.huge_pages:
        context.complain((*base, "huge_pages"), f"a {database.engine} is not run with them by Longshore", "take it out")
    if database.extensions:
        context.complain((*base, "extensions"), f"a {database.engine} has none", "take them out")
    if database.source is not None:
        context.complain((*base, "source"), f"a {database.engine} comes from the servers' distribution", "take it out")
    backup = database.backup
    if backup is not None and "full" in backup.model_fields_set and database.engine != "memcached":
        words = f"each backup of a {database.engine} is a whole one, in which nothing is stored twice"
        context.complain((*base, "backup", "full"), words, "take it out")


def _redis(context: Context, database: Database, base: Path) -> None:
    """What a Redis can't do, or not yet."""
    if database.backup is not None and database.backup.verify_sql is not None:
        context.complain((*base, "backup", "verify_sql"), "a redis knows no SQL", "take it out")
    if database.synchronous is True:
        words = "a redis answers before its replicas have what was written, so nothing here could be promised"
        context.complain((*base, "synchronous"), words, "strict bounds what can be lost to five seconds")
    if database.watched and len(context.stack.sentinels()) < _MAJORITY:
        words = "a replica needs three servers in all, a majority of which says who is primary: not supported yet"
        context.complain((*base, "servers"), words, "add a server to the stack, or name one server here")


def _backup(context: Context, database: Database, base: Path) -> None:
    if database.backup is None and database.engine != "memcached":
        context.notice(base, "it has no backup, and a replica is none: what is deleted on one is deleted on all")
    if database.backup is not None and database.backup.keep < _DAY:
        context.complain((*base, "backup", "keep"), "is less than a day, and a backup is kept for whole days")
    if database.engine == "postgresql" and database.backup is not None and database.backup.bandwidth is not None:
        words = "pgBackRest, which backs up a postgresql, knows no limit: not supported yet"
        context.complain((*base, "backup", "bandwidth"), words, "take it out")


def _names(context: Context, name: str, database: Database, base: Path) -> None:
    if database.inside in _TAKEN[database.engine]:
        context.complain(base, f"'{name}' is a name of the engine's own or of ours; call it otherwise", key=True)
    reader = database.reader
    if reader is not None:
        for section, kind in (("services", "service"), ("databases", "database")):
            if reader in context.names(section):
                words = f"its replicas are called so on the network; give the {kind} another name"
                context.complain((section, reader), f"'{name}' is a database: {words}", key=True)


_OF_ENGINE = {"redis": _redis, "memcached": memcached.check, "rabbitmq": rabbitmq.check}
