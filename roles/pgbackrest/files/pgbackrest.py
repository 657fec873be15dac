# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of PostgreSQL by pgBackRest, each proved by restoring it. Written by the role longshore.stack.pgbackrest.

``keeper.py``, beside it, says how it is called, and what the settings are. Here they have besides: config and restore
(pgBackRest's files), and of each stanza version (the database's; a backup may be older), full (seconds between two
whole backups).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import archive
import pg_upgrade
from copies import Copied, Layout, Part
from keeper import SPARE, Failed, Scratch, last_words, main, run

if TYPE_CHECKING:
    from pathlib import Path

# A restored instance runs for nobody but us; what it was tuned for is elsewhere. Nothing of its own archives, loads
# libraries that do something by themselves, or waits for a second server.
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "effective_cache_size": "256MB",
    "ssl": "off",
    "archive_mode": "off",
    "shared_preload_libraries": "",
    "synchronous_standby_names": "",
    "hot_standby": "off",
    "logging_collector": "off",
    "primary_conninfo": "",
    "huge_pages": "off",
}
DATABASES = "select datname from pg_database where datallowconn and not datistemplate order by 1"
TABLES = (
    "select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables "
    "where schemaname not in ('pg_catalog', 'information_schema')"
)
COUNT = "select count(*) from {}"
# What a restored instance needs beside these while it is upgraded; pg_upgrade says itself how it is reached.
UPGRADED = {name: value for name, value in SETTINGS.items() if name != "listen_addresses"}
# Of pgBackRest's info: there is no such stanza yet.
NO_STANZA = (1, 3)
# Seconds. A stanza that is not there yet is asked for by its PostgreSQL every second, which locks it for that long.
LOCKED = 60.0
# How it ends while somebody else has the lock: LockAcquireError, whichever server says so.
BUSY = "ended with 50:"
# Seconds for a look into the repository.
ASKED = 60.0
# The configuration's own limit is short, for a primary that wants to stop; a far place or a busy server needs more.
ARCHIVED = "--archive-timeout=60"


class PgBackRest(Copied):
    """Keeps the backups of groups of PostgreSQL servers."""

    def call(self, stanza: str, *words: str, restoring: bool = False) -> str:
        """The output of pgBackRest."""
        config = self.settings["restore" if restoring else "config"]
        return run(["pgbackrest", f"--config={config}", f"--stanza={stanza}", *words])

    def asked(self, *words: str) -> str:
        """What is in the repository, for somebody who waits: one that is away would be tried for many minutes else."""
        return run(["pgbackrest", f"--config={self.settings['config']}", "--io-timeout=15", *words], timeout=ASKED)

    def info(self, stanza: str) -> dict[str, Any]:
        """What pgBackRest tells of a stanza."""
        found = json.loads(self.asked(f"--stanza={stanza}", "info", "--output=json"))
        return found[0] if found else {"status": {"code": NO_STANZA[0]}}

    def begun(self, name: str) -> bool:
        """Whether there is its stanza, of the version that the database has."""
        found = self.info(name)
        return found["status"]["code"] not in NO_STANZA and not self.outdated(name, found)

    def outdated(self, name: str, found: dict[str, Any]) -> bool:
        """Whether its stanza is still that of another major version."""
        known = found.get("db") or []
        return bool(known) and str(known[-1]["version"]) != str(self.settings["stanzas"][name]["version"])

    def begin(self, name: str) -> None:
        """Make its stanza, or have it be that of another major version from now on."""
        self.undisturbed(name, "stanza-upgrade" if self.outdated(name, self.info(name)) else "stanza-create")
        self.settle(name)

    def settle(self, name: str) -> bool:
        """Have what is written now archived."""
        self.call(name, ARCHIVED, "check")
        return True

    def lacking(self, name: str) -> str:
        """As after a while in which the log went elsewhere."""
        found = self.info(name)
        if not found.get("backup"):
            return ""
        newest = found["backup"][-1]
        stop: str = newest["archive"]["stop"]
        (kept,) = [each["id"] for each in found["archive"] if each["database"] == newest["database"]]
        top = f"archive/{name}/{kept}"
        files: dict[str, float] = {}
        for directory in archive.directories(self.entries(top), stop):
            files.update(self.entries(f"{top}/{directory}"))
        first = archive.missing(files, stop, time.time())
        return f"log is missing from {first} on" if first else ""

    def entries(self, place: str) -> dict[str, float]:
        """What lies there, and since when, in seconds since 1970."""
        found = json.loads(self.asked("repo-ls", place, "--output=json"))
        return {name: float(each.get("time", 0)) for name, each in found.items()}

    def undisturbed(self, stanza: str, *words: str) -> None:
        """Do it once the primary, which tries to send its log all the time, lets go of the lock for a moment."""
        until = time.monotonic() + LOCKED
        while True:
            try:
                self.call(stanza, *words)
            except Failed as error:
                if BUSY not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.5)
            else:
                return

    def known(self, name: str) -> list[dict[str, Any]]:
        """The backups of a stanza."""
        found = self.raw(name)
        prior = {each["label"]: each["prior"] for each in found}
        return [
            {
                "label": each["label"],
                "type": each["type"],
                "start": each["timestamp"]["start"],
                "time": each["timestamp"]["stop"],
                "size": each["info"]["size"],
                "stored": each["info"]["repository"]["delta"],
                "needs": chain(prior, each["label"]),
            }
            for each in found
        ]

    def raw(self, name: str) -> list[dict[str, Any]]:
        """The same, in pgBackRest's words."""
        return self.info(name).get("backup") or []

    def make(self, name: str, full: bool, report: dict[str, Any]) -> str:
        """Make a whole one when it is due, else one with what has changed."""
        found = self.info(name)
        # Those of another major version are nothing to build upon.
        ours = {each["label"] for each in found.get("backup") or [] if each["database"]["id"] == found["db"][-1]["id"]}
        before = [each for each in self.known(name) if each["label"] in ours]
        whole = [each for each in before if each["type"] == "full"]
        due = full or not whole or time.time() - whole[-1]["time"] >= self.settings["stanzas"][name]["full"]
        kind = report["type"] = "full" if due else "incr"
        self.room(whole if due else before, kind)
        self.call(name, ARCHIVED, f"--type={kind}", "backup")
        made = self.raw(name)[-1]
        label: str = made["label"]
        report.update(size=made["info"]["size"], stored=made["info"]["repository"]["delta"])
        if made.get("error"):
            raise Failed(f"{label}: PostgreSQL's checksums do not fit: {made.get('error-list') or ''}")
        return label

    def rehearse(self, name: str, version: str, fresh: bool) -> dict[str, Any]:
        """Restore the newest backup and upgrade what it holds."""
        if fresh:
            self.run(name, full=False)
        with self.locked(name):
            newest = self.one(name, "")
            if pg_upgrade.free(str(self.directory)) < newest["size"] + SPARE:
                raise Failed(f"{self.directory} has no room for a restored copy of {newest['size'] >> 20} MB")
            scratch = self.scratch(name, self.place(name))
            began = time.time()
            try:
                scratch.remove()
                scratch.begin(name)
                scratch.restore("", "")
                scratch.start()
                rows, since = scratch.rows(), time.time()
                scratch.upgrade(version)
                took = time.time() - since
                scratch.start()
                if scratch.rows() != rows:
                    raise Failed("other rows are in it after the upgrade")
                scratch.stop()
                scratch.checksums()
            except (Failed, pg_upgrade.Failed) as error:
                raise Failed(f"the rehearsal on a copy of {newest['label']} failed: {error}") from error
            finally:
                scratch.remove()
        return {
            "label": newest["label"],
            "version": version,
            "tables": len(rows),
            "rows": sum(rows.values()),
            "upgrade": round(took, 2),
            "seconds": round(time.time() - began, 2),
        }

    def forget(self, name: str, label: str) -> None:
        """By pgBackRest, which takes those that need it along."""
        self.undisturbed(name, "expire", f"--set={label}")

    def layouts(self) -> list[Layout]:
        """Of each database its log and its backups; those that need others come after them."""
        return [
            Layout(
                (name,),
                (
                    Part(f"archive/{name}", ("/archive.info*",), always=True),
                    Part(f"backup/{name}", ("/backup.info*", "/latest")),
                ),
                tuple(
                    f"{kind}/{name}/{kind}.info{ending}" for kind in ("archive", "backup") for ending in (".copy", "")
                ),
            )
            for name in self.settings["stanzas"]
        ]

    def scratch(self, name: str, place: Path) -> Instance:
        """A PostgreSQL."""
        return Instance(self, name, place)


def chain(prior: dict[str, str | None], label: str) -> list[str]:
    """What a backup is built upon: the one before it, and so on down to the whole one, which comes first."""
    found: list[str] = []
    before = prior.get(label)
    while before is not None:
        found.insert(0, before)
        before = prior.get(before)
    return found


class Instance(Scratch):
    """A restored PostgreSQL."""

    def __init__(self, keeper: PgBackRest, stanza: str, place: Path) -> None:
        super().__init__(place)
        self.keeper, self.stanza = keeper, stanza
        settings = keeper.settings["stanzas"][stanza]
        self.database = settings["database"]
        self.own = settings.get("sql") or ""

    @property
    def version(self) -> str:
        """The major version of its data: a backup may be older than an upgrade."""
        return (self.data / "PG_VERSION").read_text("ascii").strip()

    @property
    def bin(self) -> str:
        """Where the programs of that version are. Raises ``Failed`` when they are not installed."""
        programs = pg_upgrade.Programs(self.version)
        if not programs.there():
            raise Failed(f"it is of PostgreSQL {self.version}, which is not installed on this server")
        return programs.directory

    def upgrade(self, version: str) -> None:
        """Make its data those of another major version. It runs before, and is stopped after."""
        hba = str(self.place / "pg_hba.conf")
        old, new = (self.version, str(self.data)), (version, str(self.place / "new"))
        upgrade = pg_upgrade.Upgrade(old, new, str(self.place), **{**UPGRADED, "hba_file": hba})
        upgrade.make(lambda text: run([*self.psql("postgres"), text]))
        self.stop()
        upgrade.run("link", check=False)
        self.data = self.place / "new"

    def restore(self, at: str, label: str) -> None:
        """By pgBackRest."""
        words = ["--type=time", f"--target={at}", "--target-action=promote"] if at else []
        if label:
            words = [f"--set={label}", *(words or ["--type=immediate", "--target-action=promote"])]
        words = [f"--pg1-path={self.data}", "--archive-mode=off", *words]
        self.keeper.call(self.stanza, *words, "restore", restoring=True)

    def start(self) -> None:
        """Start it, and wait until all of the log is replayed."""
        # Only who may enter the directory reaches the socket in it.
        rules = self.place / "pg_hba.conf"
        rules.write_text("local all all trust\n", "utf-8")
        options = {**SETTINGS, "unix_socket_directories": self.place, "port": "5432", "hba_file": rules}
        words = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        try:
            run([f"{self.bin}/pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "86400", "-o", words, "start"])
            self.opened()
        except Failed as error:
            last = last_words(self.log.read_text("utf-8", "replace"))
            raise Failed(f"the restored instance does not start: {last}") from error

    def opened(self) -> None:
        """Wait until it takes connections. Raises when it ends before."""
        while True:
            run([f"{self.bin}/pg_ctl", "-D", self.data, "status"])
            done = subprocess.run([*self.psql("postgres"), "select 1"], capture_output=True, check=False)
            if done.returncode == 0:
                return
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop it."""
        run([f"{self.bin}/pg_ctl", "-D", self.data, "-m", "fast", "-w", "-t", "600", "stop"])

    def remove(self) -> None:
        """End it, and remove all of it."""
        if (self.data / "postmaster.pid").exists():
            run([f"{self.bin}/pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop"], check=False)
        shutil.rmtree(self.place, ignore_errors=True)

    def psql(self, database: str) -> list[str]:
        """The command that runs SQL, which follows."""
        return ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(self.place), "-p", "5432", "-d", database, "-c"]

    def rows(self) -> dict[str, int]:
        """Table → rows, counted; those of other logical databases with the name of theirs before."""
        found = {}
        for database in run([*self.psql(self.database), DATABASES]).splitlines():
            before = "" if database == self.database else f"{database}:"
            for table in run([*self.psql(database), TABLES]).splitlines():
                found[f"{before}{table}"] = int(run([*self.psql(database), COUNT.format(table)]))
        return found

    def check(self) -> None:
        """Run the user's own SQL. It sees what the database's owner sees, and changes nothing."""
        if not self.own:
            return
        options = f"-c role={self.database} -c default_transaction_read_only=on"
        try:
            run([*self.psql(self.database)[:-1], "-f", self.own], environment={"PGOPTIONS": options})
        except Failed as error:
            raise Failed(f"its own check: {error}") from error

    def checksums(self) -> None:
        """Of every page."""
        run([f"{self.bin}/pg_checksums", "-D", self.data, "--check"])

    def until(self) -> str | None:
        """When the last transaction that was replayed was made, as the log has it; None when none was."""
        log = self.log.read_text("utf-8", "replace")
        found = re.findall(r"last completed transaction was at log time ([^\n]+)", log)
        return found[-1] if found else None

    ending = "dump"

    def artefact(self) -> list[list[str]]:
        """The database in pg_dump's own format, of which pg_restore takes all or parts."""
        return [[f"{self.bin}/pg_dump", "--format=custom", "-h", str(self.place), "-p", "5432", "-d", self.database]]

    def told(self) -> dict[str, Any]:
        """How it is asked."""
        ask = f"runuser -u postgres -- psql -h {self.place} {self.database}"
        return {"socket": str(self.place), "port": 5432, "database": self.database, "ask": ask}


if __name__ == "__main__":
    sys.exit(main(PgBackRest))
