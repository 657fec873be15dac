# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of one major version of PostgreSQL made those of another, by its own pg_upgrade.

Private to the collection. The role pgbackrest copies it beside the program that restores backups, for the rehearsal:
so it imports nothing of the collection. https://www.postgresql.org/docs/17/pgupgrade.html
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PROGRAMS = "/usr/lib/postgresql/{0}/bin"
# Seconds. Copying a large database takes hours.
LONGEST = 86400.0
STARTED = "start.log"
SEGMENT = 16 << 20  # bytes, PostgreSQL's own size of a segment
# Neither cluster serves anybody meanwhile.
QUIET = {
    "archive_mode": "off",
    "synchronous_standby_names": "",
    "primary_conninfo": "",
    "huge_pages": "off",
    "shared_buffers": "64MB",
}
# What a new cluster is made like: of template0, which nobody changes.
LIKE = """
select pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider, coalesce({}, '')
from pg_database where datname = 'template0'
"""
# Settings as pg_controldata calls them. There has to be a lock for each table of the largest database. What a cluster
# ran with is written down in it, so with other values Patroni would restart the new one.
_LIMITS = {"max_connections": "max_connections setting", "max_locks_per_transaction": "max_locks_per_xact setting"}
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


class Failed(Exception):
    """What went wrong, in one line."""


class Programs:
    """PostgreSQL's programs of one version, run by who owns the data; ``before``: words that make us that user."""

    def __init__(self, version: str, before: Sequence[str] = ()) -> None:
        self.version = version
        self.directory = PROGRAMS.format(version)
        self._before = list(before)

    def there(self) -> bool:
        """Whether they are installed."""
        return os.path.exists(f"{self.directory}/postgres")

    def call(self, program: str, *words: str, directory: str | None = None, quietly: bool = False) -> str:
        """The output of a program. Raises ``Failed`` with its last words; with ``quietly`` it may fail."""
        argv = [*self._before, f"{self.directory}/{program}", *words]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "PGOPTIONS": "-c synchronous_commit=local"}
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LONGEST,
                check=False,
                cwd=directory or "/",
                env=environment,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{program} took longer than {LONGEST:g} s") from error
        if done.returncode != 0 and not quietly:
            raise Failed(f"{program} ended with {done.returncode}: {last_words(done.stderr, done.stdout)}")
        return done.stdout

    def control(self, data: str) -> dict[str, str]:
        """What pg_controldata says of a data directory."""
        return control(self.call("pg_controldata", "-D", data))

    def preloaded(self, data: str) -> str:
        """The libraries that a cluster loads at its start."""
        return self.call("postgres", "-C", "shared_preload_libraries", "-D", data).strip()

    def start(self, data: str, socket: str, settings: Mapping[str, str]) -> None:
        """Start a cluster that only who may enter the directory ``socket`` reaches."""
        options = words({**settings, "listen_addresses": "", "unix_socket_directories": socket, "port": "5432"})
        log = f"{socket}/{STARTED}"
        self.call("pg_ctl", "-D", data, "-l", log, "-w", "-t", "3600", "-o", options, "start")

    def stop(self, data: str, how: str = "fast") -> None:
        """Stop a cluster, if it runs."""
        if os.path.exists(os.path.join(data, "postmaster.pid")):
            self.call("pg_ctl", "-D", data, "-m", how, "-w", "-t", "3600", "stop")

    def ask(self, socket: str, text: str, database: str = "postgres") -> str:
        """What a statement gives, unaligned."""
        where = ("-h", socket, "-p", "5432", "-U", "postgres", "-d", database)
        return self.call("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *where, "-c", text).strip()


class Upgrade:
    """``old`` is the stopped data directory of one version, ``new`` that of a cluster which is made for it.

    ``work``: a directory of the user of ``before``, whose path is short: sockets are there. ``settings``: what the old
    one needs besides to start where it is.
    """

    def __init__(
        self, old: tuple[str, str], new: tuple[str, str], work: str, before: Sequence[str] = (), **settings: str
    ) -> None:
        self.old, self.new = Programs(old[0], before), Programs(new[0], before)
        self.old_data, self.new_data = old[1], new[1]
        self.work = work
        self._settings = settings

    def make(self, ask: Callable[[str], str]) -> None:
        """A new cluster like the old one, which ``ask`` asks."""
        column = "datlocale" if int(self.old.version) >= 17 else "daticulocale"
        told = self.old.control(self.old_data)
        self.new.call("initdb", "-D", self.new_data, "-U", "postgres", *like(ask(LIKE.format(column)).strip(), told))

    def run(self, mode: str, check: bool) -> None:
        """Upgrade; with ``check`` only say whether that would work. Raises ``Failed`` with what pg_upgrade found."""
        loaded = self.old.preloaded(self.old_data)
        argv = [
            *("-b", self.old.directory, "-B", self.new.directory, "-d", self.old_data, "-D", self.new_data),
            *("-U", "postgres", "-j", str(os.cpu_count() or 1), f"--socketdir={self.work}"),
            *("-o", words({**QUIET, "shared_preload_libraries": loaded, **self._settings})),
            *("-O", words(self._quiet())),
            *(["--check"] if check else []),
            # Copying is what it does without a word; only since 16 there is one.
            *([f"--{mode}"] if mode != "copy" else []),
        ]
        try:
            self.new.call("pg_upgrade", *argv, directory=self.work)
        except Failed as error:
            raise Failed(f"{error}{self._found()}") from error
        # The one removes data at a place where others will be, the other is done by whoever starts the new cluster.
        for name in ("delete_old_cluster.sh", "update_extensions.sql"):
            _removed(os.path.join(self.work, name))

    def prove(self) -> None:
        """Start the new cluster for nobody, and have each database answer. After a link that ends the old one."""
        self.new.start(self.new_data, self.work, self._quiet())
        try:
            names = self.new.ask(
                self.work, "select datname from pg_database where datallowconn order by 1"
            ).splitlines()
            for name in names:
                version = self.new.ask(self.work, "select current_setting('server_version_num')::int / 10000", name)
                if version != self.new.version:
                    raise Failed(f"{name} answers as PostgreSQL {version}")
                self.new.ask(
                    self.work, "select count(*) from pg_class c, pg_attribute a where a.attrelid = c.oid", name
                )
        finally:
            self.new.stop(self.new_data)
            _removed(os.path.join(self.work, STARTED))

    def _quiet(self) -> dict[str, str]:
        """Settings with which the new cluster runs for nobody."""
        told = self.old.control(self.old_data)
        limits = {name: told[known] for name, known in _LIMITS.items() if known in told}
        return {**QUIET, **limits, "shared_preload_libraries": self.old.preloaded(self.old_data)}

    def _found(self) -> str:
        """What pg_upgrade has written down of what is wrong."""
        told, logs = [], []
        for directory, _directories, names in sorted(os.walk(os.path.join(self.new_data, "pg_upgrade_output.d"))):
            logs += [os.path.join(directory, name) for name in names if name.startswith("pg_upgrade_dump")]
            for name in sorted(names):
                if name.endswith(".txt"):
                    with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                        told.append(f"{name}: {' '.join(file.read(2000).split())}")
        if logs:
            newest = max(logs, key=os.path.getmtime)
            with open(newest, encoding="utf-8", errors="replace") as file:
                told.append(f"{os.path.basename(newest)}: {last_words('', file.read())}")
        return "".join(f"; {each}" for each in told)[:1500]


def _removed(path: str) -> None:
    if os.path.exists(path):
        os.unlink(path)


def control(text: str) -> dict[str, str]:
    """The lines of pg_controldata, by their words."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def like(template: str, told: Mapping[str, str]) -> list[str]:
    """initdb's words for one like the old one: ``template`` is the answer to ``LIKE``, ``told`` its control data."""
    encoding, collate, ctype, provider, locale = template.split("|")
    segment = int(told.get("Bytes per WAL segment", SEGMENT))
    return [
        f"--encoding={encoding}",
        f"--lc-collate={collate}",
        f"--lc-ctype={ctype}",
        f"--locale-provider={_PROVIDERS[provider]}",
        *([f"--icu-locale={locale}"] if provider == "i" else []),
        *([f"--builtin-locale={locale}"] if provider == "b" else []),
        *(["--data-checksums"] if told.get("Data page checksum version", "0") != "0" else []),
        *([f"--wal-segsize={segment >> 20}"] if segment != SEGMENT else []),
        "--auth-local=peer",
        "--auth-host=scram-sha-256",
    ]


def words(settings: Mapping[str, str]) -> str:
    """Settings as pg_ctl hands them to the server; a shell reads them within double quotes."""
    for name, value in settings.items():
        if re.search(r"['\"\\$`]", value):
            raise Failed(f"{name} holds a character that can't be handed on: {value[:80]}")
    return " ".join(f"-c {name}='{value}'" for name, value in settings.items())


def last_words(errors: str, output: str) -> str:
    """The end of what a program said, in one line: what is wrong stands last, on either way."""
    lines = [line.strip() for line in [*output.splitlines(), *errors.splitlines()]]
    # pg_upgrade says of each of its steps that it is well.
    lines = [line for line in lines if line and not re.search(r"\sok$", line)]
    return " | ".join(lines[-8:])[-900:]


def size(path: str) -> int:
    """Bytes that lie below a directory."""
    total = 0
    for directory, _directories, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def clones(old: str, new: str) -> bool:
    """Whether the file system lets two files share what they hold until one is changed."""
    made = os.path.join(new, ".clone")
    done = subprocess.run(  # pylint: disable=ansible-bad-function
        ["cp", "--reflink=always", os.path.join(old, "PG_VERSION"), made], capture_output=True, check=False
    )
    if os.path.exists(made):
        os.unlink(made)
    return done.returncode == 0


def free(path: str) -> int:
    """Bytes that its disk has left."""
    return shutil.disk_usage(path).free
