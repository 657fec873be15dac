# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is backed up of a MariaDB: its data, and without pause its log; and a MariaDB that has them as of any moment."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import os
import re
import shutil
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import binlog
from keeper import Failed, Scratch, begun, copied, last_words, piped, run

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds until a restored instance has ended, and until a server says what it is.
STOPPING, ANSWERING = 3600.0, 3.0
# Seconds without a piece of a copy, and between two looks at who is primary.
SILENT, LOOKING = 120.0, 5.0
# Seconds after which it is told that the log isn't kept.
LATE = 300.0
# The restored instance serves who runs it, and who checks it with the user's SQL may read that one database.
USERS = """set sql_log_bin = 0;
create or replace user keeper@localhost identified via unix_socket as '{user}';
grant all on *.* to keeper@localhost with grant option;
create or replace user checker@localhost identified via unix_socket as '{user}';
grant select, show view on `{inside}`.* to checker@localhost;
"""
SETTINGS = {
    "skip-networking": "1",
    "skip-name-resolve": "1",
    "skip-slave-start": "1",
    "event-scheduler": "off",
    "innodb-buffer-pool-size": "64M",
    "log-bin": "restored",
    "gtid-strict-mode": "0",
    "sync-binlog": "0",
    "innodb-flush-log-at-trx-commit": "0",
    "max-allowed-packet": "1G",
}
COUNT = "select count(*) from {}"
TABLES = """select concat('`', replace(table_schema, '`', '``'), '`.`', replace(table_name, '`', '``'), '`')
from information_schema.tables where table_type = 'BASE TABLE'
and table_schema not in ('mysql', 'information_schema', 'performance_schema', 'sys')"""


class Database:
    """A group of MariaDB servers. ``log`` is the directory in which its log is kept."""

    logged = True

    def __init__(self, name: str, settings: Mapping[str, Any], log: Path) -> None:
        self.name = name
        self.settings = settings
        self.own = settings["stanzas"][name]
        self.log = log

    # Who is asked for its data.

    def fetch(self) -> None:
        """Write all of the data to standard output. From a replica where there is one."""
        chosen = self.chosen("/replica") or self.chosen("/primary")
        if not chosen:
            raise Failed(f"no server of {self.name} answers")
        connection = self.connect(chosen, SILENT)
        connection.request("GET", "/backup")
        answer = connection.getresponse()
        if answer.status != 200:
            raise Failed(f"{chosen} gives no copy: HTTP {answer.status}")
        try:
            # What ends without its end raises.
            copied(answer, sys.stdout.buffer, self.own["bandwidth"])  # type: ignore[arg-type]
        except http.client.HTTPException as error:
            raise Failed(f"{chosen} gave a part of its data only; its log has more: mariadb-promoter") from error

    def chosen(self, path: str) -> str:
        """The name of the first server that says of itself that it is what the path asks for; empty when none does."""
        for name in self.own["servers"]:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = self.connect(name, ANSWERING)
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return str(name)
        return ""

    def connect(self, name: str, timeout: float) -> http.client.HTTPSConnection:
        """To the promoter of a server."""
        context = ssl.create_default_context(cafile=self.settings["ca"])
        context.load_cert_chain(self.settings["certificate"], self.settings["key"])
        address = self.own["servers"][name]
        return http.client.HTTPSConnection(address, self.own["health_port"], timeout=timeout, context=context)

    # The log.

    def follow(self) -> None:
        """Have whoever is primary send its log, for ever."""
        self.log.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            try:
                server = self.chosen("/primary")
                if not server:
                    raise Failed("there is no primary")
                self.session(server)
            except (Failed, OSError) as error:
                self.tell(str(error))
            time.sleep(LOOKING)

    def session(self, server: str) -> None:
        """Take the log from one server, until another one is primary. Raises ``Failed`` when it sends no more."""
        kept = self.sessions()
        known = binlog.number(binlog.end(kept[-1][-1])[0]) if kept else None
        first = self.first(server, known)
        place = self.log / f"{time.time():.0f}-{server}"
        place.mkdir(mode=0o700)
        argv = [
            *self.client("mariadb-binlog", server),
            *("--read-from-remote-server", "--raw", "--stop-never", f"--result-file={place}/"),
            # No two that read from a server may have the same.
            f"--stop-never-slave-server-id={0x7FFF0000 + self.own['port']}",
            first,
        ]
        process = begun(argv, self.log / "reading.log")
        try:
            while self.chosen("/primary") in (server, ""):
                if process.poll() is not None:
                    raise Failed(last_words((self.log / "reading.log").read_text("utf-8", "replace")))
                known = self.joined(place, known)
                self.tell("", server)
                time.sleep(LOOKING)
        finally:
            process.terminate()
            process.wait()
            if not any(place.iterdir()):
                place.rmdir()

    def first(self, server: str, known: int | None) -> str:
        """The file of a server's log to begin with: the last that begins no later than what is kept already ends."""
        names = [line.split("\t")[0] for line in self.ask(server, "show binary logs").splitlines()]
        for name in reversed(names) if known is not None else []:
            begins = self.ask(server, f"select binlog_gtid_pos('{name}', 4)").strip()
            if binlog.number(begins) <= (known or 0):
                return name
        return names[0]

    def joined(self, place: Path, known: int | None) -> int | None:
        """Remember it when a session begins after the end of the one before. None once it is known how it begins."""
        files = sorted(place.iterdir())
        begins = binlog.start(files[0]) if files and known is not None else None
        if begins is None or known is None:
            return known
        if binlog.number(begins) > known:
            # What is in between is nowhere any more. The next backup begins after it.
            (self.log / "gap").write_text(f"{time.time()}\n", "ascii")
        return None

    def sessions(self) -> list[list[Path]]:
        """The files of the log, in the order in which they were taken: one list for each time that somebody began."""
        places = sorted(self.log.glob("[0-9]*-*"), key=lambda place: int(place.name.partition("-")[0]))
        found = [[file for file in sorted(place.iterdir()) if binlog.start(file) is not None] for place in places]
        return [files for files in found if files]

    def client(self, program: str, server: str) -> list[str]:
        """The command that asks a server; its password is in a file."""
        file = Path(self.settings["certificate"]).parent / f"{self.name}.cnf"
        return [
            program,
            f"--defaults-file={file}",
            f"--host={self.own['servers'][server]}",
            f"--port={self.own['port']}",
        ]

    def ask(self, server: str, sql: str) -> str:
        """What a statement gives."""
        return run([*self.client("mariadb", server), "--batch", "--skip-column-names", "-e", sql], timeout=30.0)

    def tell(self, problem: str, server: str = "") -> None:
        """Keep how it goes, for who lists the backups."""
        told = self.told()
        good = told.get("good", time.time()) if problem else time.time()
        new = self.log / ".state"
        new.write_text(json.dumps({"problem": problem, "server": server, "good": good, "at": time.time()}), "utf-8")
        new.replace(self.log / "state.json")

    def told(self) -> dict[str, Any]:
        """How it went last."""
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads((self.log / "state.json").read_text("utf-8"))
            return found
        return {}

    def problems(self) -> list[str]:
        """What is wrong with the log."""
        told = self.told()
        found = []
        if time.time() - told.get("good", time.time()) > LATE or time.time() - told.get("at", 0.0) > LATE:
            found.append(f"its log is not kept: {told.get('problem') or 'nothing follows it'}")
        if (self.log / "gap").exists():
            found.append("a part of its log is lost, so what was backed up before can't be restored to any moment")
        return found

    def forget(self, before: float) -> None:
        """Remove what is older than the oldest backup, with a margin; and the words on a gap that lies before all."""
        sessions = self.sessions()
        for files in sessions:
            # The last file of a session is where the next one began, or what is being written.
            stays = files is sessions[-1] or files[-1].stat().st_mtime >= before - 3600
            for file in files[:-1] if stays else files:
                if file.stat().st_mtime < before - 3600:
                    file.unlink()
            with contextlib.suppress(OSError):
                files[0].parent.rmdir()
        gap = self.log / "gap"
        if gap.exists() and float(gap.read_text("ascii")) < before:
            gap.unlink()

    def scratch(self, keeper: Any, place: Path) -> Instance:
        """A MariaDB."""
        return Instance(keeper, self, place)


class Instance(Scratch):
    """A restored MariaDB."""

    def __init__(self, keeper: Any, database: Database, place: Path) -> None:
        super().__init__(place)
        self.keeper, self.database = keeper, database
        self.socket = place / "socket"
        self.at = ""
        self.last = 0.0
        self.replays = True

    def restore(self, at: str, label: str) -> None:
        """Have the data of the backup before the moment, or of the one that is named."""
        self.at, self.replays = at, bool(at or not label)
        moment = moment_of(at)
        name = self.database.name
        backups = self.keeper.known(name)
        fitting = [each for each in backups if each["time"] <= moment and label in ("", each["label"])]
        if not fitting:
            which = f"backup {label} of {name} is there" if label else f"backup of {name} is there"
            raise Failed(f"no {which}{f' that was made before {at}' if at else ''}")
        unpack = ["mbstream", "-x", "-C", str(self.data)]
        piped([self.keeper.dump(name, fitting[-1]["label"]), unpack], self.keeper.settings["environment"])
        run(["mariadb-backup", "--prepare", f"--target-dir={self.data}"])
        self.last = fitting[-1]["time"]

    def start(self) -> None:
        """Start it, and have it do what the log has."""
        users = self.place / "users.sql"
        users.write_text(USERS.format(user="backup", inside=self.database.own["database"]), "utf-8")
        options = {
            **SETTINGS,
            "datadir": self.data,
            "socket": self.socket,
            "pid-file": self.place / "pid",
            "log-error": self.log,
            "init-file": users,
            "tmpdir": self.place,
        }
        program = ["/usr/sbin/mariadbd", "--no-defaults", *(f"--{name}={value}" for name, value in options.items())]
        self.await_start(begun(program, self.log), self.answers)
        if self.replays:
            self.replay()

    def replay(self) -> None:
        """Have it do what the log has, up to the moment."""
        info = (self.data / "mariadb_backup_binlog_info").read_text("utf-8").split()
        position = info[2] if len(info) > 2 else ""
        sessions = self.database.sessions()
        able = [index for index, files in enumerate(sessions) if covers(files, position)]
        if not able:
            raise Failed(f"what was written after {position or 'the beginning'} is not in the log that is kept")
        for index in range(able[-1], len(sessions)):
            # A server that was primary may have more than the next one has: what counts is in the next one's log.
            end = binlog.start(sessions[index + 1][0]) if index + 1 < len(sessions) else None
            position = self.apply(sessions[index], position, end)
            if binlog.number(position) < binlog.number(end):
                return  # the moment was in this session

    def apply(self, files: list[Path], position: str, end: str | None) -> str:
        """Do what is in the files after one position, and up to another (None: all), and before the moment.

        Gives the position that is reached.
        """
        begins = [index for index, file in enumerate(files) if _starts(file) <= binlog.number(position)]
        chosen = files[begins[-1] :]
        # The server may be writing the newest one.
        chosen[-1] = binlog.whole(chosen[-1], self.place)
        until, written = self.reached(chosen)
        if end is not None and binlog.number(end) < binlog.number(until):
            until = end
        if binlog.number(until) <= binlog.number(position):
            return position
        words = [f"--stop-position={until}", *([f"--start-position={position}"] if position else [])]
        reading = ["mariadb-binlog", "--no-defaults", *words, *map(str, chosen)]
        piped([reading, [*self.client("keeper"), "--binary-mode"]])
        self.last = max(self.last, written)
        return until

    def reached(self, files: list[Path]) -> tuple[str, float]:
        """The position of what was written last before the moment, and when that was."""
        moment, found = moment_of(self.at), ("", 0.0)
        for file in files:
            position, written = binlog.end(file, moment)
            if written:
                found = (position or "", written)
            if binlog.end(file)[1] >= moment:
                break
        return found

    def client(self, user: str) -> list[str]:
        """The command that asks it."""
        return [
            "mariadb",
            "--no-defaults",
            f"--socket={self.socket}",
            f"--user={user}",
            "--batch",
            "--skip-column-names",
        ]

    def answers(self) -> bool:
        """Whether it does."""
        return run([*self.client("keeper"), "-e", "select 1"], check=False).strip() == "1"

    def rows(self) -> dict[str, int]:
        """Table → rows, counted."""
        tables = run([*self.client("keeper"), "-e", TABLES]).splitlines()
        counts = {table: run([*self.client("keeper"), "-e", COUNT.format(table)]) for table in tables}
        return {table.replace("`", ""): int(count) for table, count in counts.items()}

    def check(self) -> None:
        """Run the user's own SQL, as one who may only read."""
        own = self.database.own.get("sql") or ""
        if not own:
            return
        try:
            run([*self.client("checker"), f"--database={self.database.own['database']}", "-e", f"source {own}"])
        except Failed as error:
            raise Failed(f"its own check: {error}") from error

    def until(self) -> str | None:
        """When what it did last was written, to the second."""
        return datetime.datetime.fromtimestamp(self.last, datetime.UTC).isoformat(" ", "seconds") if self.last else None

    def stop(self) -> None:
        """Stop it."""
        run([*self.client("keeper"), "-e", "shutdown"])
        until = time.monotonic() + STOPPING
        while (self.place / "pid").exists():
            if time.monotonic() > until:
                raise Failed("the restored instance does not stop")
            time.sleep(0.1)

    def checksums(self) -> None:
        """Of every page of the tables."""
        for file in sorted(self.data.rglob("*.ibd")):
            run(["innochecksum", file])

    def remove(self) -> None:
        """End it, and remove all of it."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.place / "pid").read_text("ascii")), 9)
        shutil.rmtree(self.place, ignore_errors=True)

    ending = "sql.gz"

    def artefact(self) -> list[list[str]]:
        """The database as SQL that makes it anew."""
        words = ["--single-transaction", "--routines", "--triggers", "--events", "--hex-blob"]
        dump = ["mariadb-dump", "--no-defaults", f"--socket={self.socket}", "--user=keeper", *words]
        return [[*dump, self.database.own["database"]], ["gzip", "-3"]]

    def told(self) -> dict[str, Any]:
        """How it is asked."""
        ask = f"runuser -u backup -- mariadb -u keeper -S {self.socket} {self.database.own['database']}"
        return {"socket": str(self.socket), "database": self.database.own["database"], "ask": ask}


def covers(files: list[Path], position: str) -> bool:
    """Whether what comes after the position begins in these files."""
    return _starts(files[0]) <= binlog.number(position)


def _starts(file: Path) -> int:
    return binlog.number(binlog.start(file))


def moment_of(at: str) -> float:
    """Seconds since 1970 of a moment with its zone; one that never comes for an empty one. Raises ``Failed``."""
    if not at:
        return float("inf")
    text = re.sub(r"([+-]\d\d)$", r"\1:00", at.strip())
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise Failed(f"{at!r} is no moment; write it as 2026-11-23 14:05:10+01") from error
    if found.tzinfo is None:
        raise Failed(f"{at!r} has no zone; write it as 2026-11-23 14:05:10+01")
    return found.timestamp()
