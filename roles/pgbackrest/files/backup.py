# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of PostgreSQL by pgBackRest, each proved by restoring it. Written by the role longshore.stack.pgbackrest.

    backup SETTINGS run STANZA [--full]      one backup, as due; then its proof
    backup SETTINGS prove STANZA             prove the newest backup again
    backup SETTINGS list [STANZA...]         what there is, and what is wrong with it, as JSON
    backup SETTINGS restore STANZA NAME [--at TIME | --set LABEL]
                                             a new instance NAME beside the repository, which stays and runs
    backup SETTINGS drop NAME                end such an instance and remove its data

SETTINGS is a JSON file: directory (of the reports and restored instances), config and restore (pgBackRest's files),
repository (its directory, empty when it is elsewhere), stanzas: name -> version, database, full (seconds between two
whole backups), gap (the longest between two backups, in seconds), verify, sql (a file for the proof, or empty).
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

# A restored instance runs for nobody but us; what it was tuned for is elsewhere. Nothing of its own archives, loads
# libraries that do something by themselves, or waits for a second server.
SCRATCH = {
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
# So much has to be free beyond what the last whole backup took.
SPARE = 256 * 1024 * 1024
KEPT_REPORTS = 200
# Seconds for which another backup of the same, or its proof, is waited for: the first one is made by itself.
WAITED = 3600
SHRUNK = 0.5
COUNT = "select count(*) from {}"


class Failed(Exception):
    """What went wrong, in one line."""


def run(argv, timeout=None, check=True):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        words = " | ".join((done.stderr or done.stdout).strip().splitlines()[-4:])
        raise Failed(f"{Path(argv[0]).name} ended with {done.returncode}: {words[-600:]}")
    return done.stdout


class Backups:
    def __init__(self, path):
        self.settings = json.loads(Path(path).read_text("utf-8"))
        self.directory = Path(self.settings["directory"])

    def pgbackrest(self, stanza, *words, restoring=False, timeout=None):
        config = self.settings["restore" if restoring else "config"]
        return run(["pgbackrest", f"--config={config}", f"--stanza={stanza}", *words], timeout=timeout)

    def known(self, stanza):
        """The backups of a stanza, the oldest first."""
        found = json.loads(self.pgbackrest(stanza, "info", "--output=json"))
        return found[0].get("backup") or [] if found else []

    # -- making one

    def run(self, stanza, full):
        with self.locked(stanza):
            settings = self.settings["stanzas"][stanza]
            report = {"began": time.time(), "kind": "backup"}
            try:
                before = self.known(stanza)
                whole = [each for each in before if each["type"] == "full"]
                due = full or not whole or time.time() - whole[-1]["timestamp"]["stop"] >= settings["full"]
                report["type"] = "full" if due else "incr"
                self.room(whole if due else before, report["type"])
                self.pgbackrest(stanza, f"--type={report['type']}", "backup")
                made = self.known(stanza)[-1]
                info = made["info"]
                report.update(label=made["label"], size=info["size"], stored=info["repository"]["delta"])
                if made.get("error"):
                    raise Failed(f"{made['label']}: PostgreSQL's checksums do not fit: {made.get('error-list') or ''}")
            except (Failed, OSError, subprocess.TimeoutExpired) as error:
                self.report(stanza, {**report, "ok": False, "why": str(error)})
                raise Failed(str(error)) from error
            self.report(stanza, {**report, "ok": True})
            if settings["verify"]:
                self.proved(stanza)
            return made["label"]

    def room(self, like, kind):
        """Raise when the disk of the repository has no room for another one as large as the last of these."""
        if not like or not self.settings["repository"]:
            return
        last = max(each["info"]["repository"]["delta"] for each in like[-3:])
        free = shutil.disk_usage(self.settings["repository"]).free
        if free < last + SPARE:
            raise Failed(
                f"{self.settings['repository']} has {free >> 20} MB left; the next {kind} backup may take "
                f"{(last + SPARE) >> 20} MB. Make room, or keep backups for less long"
            )

    # -- proving one

    def prove(self, stanza):
        with self.locked(stanza):
            return self.proved(stanza)

    def proved(self, stanza):
        began = time.time()
        report = {"began": began, "kind": "proof"}
        place = self.directory / "proofs" / stanza
        try:
            backups = self.known(stanza)
            if not backups:
                raise Failed("there is no backup")
            report["label"] = backups[-1]["label"]
            scratch = Scratch(self, stanza, place)
            scratch.remove()
            scratch.restore([])
            scratch.start()
            report["restored"] = round(time.time() - began, 2)
            report["until"] = scratch.last_commit()
            report["rows"] = scratch.rows()
            scratch.check()
            scratch.stop()
            scratch.checksums()
            before = self.tables_before(stanza)
            if before and not report["rows"]:
                raise Failed(f"no table was found in it; the one proved before had {before}")
        except (Failed, OSError, subprocess.TimeoutExpired) as error:
            self.report(stanza, {**report, "ok": False, "why": str(error)})
            raise Failed(f"{report.get('label', stanza)} could not be proved: {error}") from error
        finally:
            Scratch(self, stanza, place).remove()
        report = {**report, "ok": True, "seconds": round(time.time() - began, 2)}
        self.report(stanza, report)
        return report

    def tables_before(self, stanza):
        """How many tables the newest backup had that was proved: a new database has none, one with data keeps some."""
        proved = [each for each in self.reports(stanza) if each["kind"] == "proof" and each["ok"]]
        return len(proved[-1]["rows"]) if proved else 0

    # -- looking

    def list(self, stanzas):
        return {stanza: self.listed(stanza) for stanza in stanzas or self.settings["stanzas"]}

    def listed(self, stanza):
        reports = self.reports(stanza)
        proofs = {each["label"]: each for each in reports if each["kind"] == "proof" and "label" in each}
        found = [
            {
                "label": each["label"],
                "type": each["type"],
                "time": each["timestamp"]["stop"],
                "size": each["info"]["size"],
                "stored": each["info"]["repository"]["delta"],
                "proved": proofs.get(each["label"], {}).get("ok"),
                "restored": proofs.get(each["label"], {}).get("restored"),
                "rows": sum((proofs.get(each["label"], {}).get("rows") or {}).values()),
            }
            for each in self.known(stanza)
        ]
        return {"backups": found, "problems": self.problems(stanza, found, reports)}

    def problems(self, stanza, found, reports):
        """What somebody should look at."""
        settings = self.settings["stanzas"][stanza]
        if not found:
            return ["there is no backup"]
        told = []
        age = time.time() - found[-1]["time"]
        # A backup that runs is not late.
        if age > settings["gap"] + 3600:
            told.append(f"the newest backup is {age / 3600:.0f} h old")
        whole = [each["size"] for each in found if each["type"] == "full"]
        if len(whole) > 1 and whole[-1] < whole[-2] * SHRUNK:
            told.append(f"the database shrank from {whole[-2] >> 20} to {whole[-1] >> 20} MB between two whole backups")
        last = {}
        for each in reports:
            last[each["kind"]] = each
        told += [f"the last {kind} failed: {each['why']}" for kind, each in last.items() if not each["ok"]]
        if settings["verify"] and "proof" not in last:
            told.append("no backup was ever proved")
        return told

    # -- restoring one

    def restore(self, stanza, name, at, label):
        place = self.restored(name)
        if place.exists():
            raise Failed(f"there is a restored instance {name} already, at {place}; drop it first")
        scratch = Scratch(self, stanza, place)
        words = []
        if at:
            words = ["--type=time", f"--target={at}", "--target-action=promote"]
        if label:
            words = [f"--set={label}", *(words or ["--type=immediate", "--target-action=promote"])]
        began = time.time()
        try:
            scratch.restore(words)
            scratch.start()
        except BaseException:
            scratch.remove()
            raise
        return {
            "name": name,
            "socket": str(scratch.place),
            "port": 5432,
            "database": self.settings["stanzas"][stanza]["database"],
            "seconds": round(time.time() - began, 2),
            "until": scratch.last_commit(),
            "rows": scratch.rows(),
        }

    def drop(self, name):
        place = self.restored(name)
        if not place.exists():
            raise Failed(f"there is no restored instance {name}")
        Scratch(self, (place / "stanza").read_text("utf-8").strip(), place).remove()

    def restored(self, name):
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", name):
            raise Failed(f"{name!r} is no name of an instance: lower-case letters, digits, '-' and '_'")
        return self.directory / "restored" / name

    # -- what is kept of each

    @contextlib.contextmanager
    def locked(self, stanza):
        with (self.directory / f"{stanza}.lock").open("a", encoding="utf-8") as file:
            until = time.monotonic() + WAITED
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > until:
                        raise Failed(f"another backup or proof of it is at work, for more than {WAITED} s") from error
                time.sleep(0.5)
            yield

    def reports(self, stanza):
        try:
            text = (self.directory / f"{stanza}.jsonl").read_text("utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines()]

    def report(self, stanza, report):
        lines = [*self.reports(stanza), report][-KEPT_REPORTS:]
        new = self.directory / f".{stanza}.jsonl"
        with new.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.directory / f"{stanza}.jsonl")


class Scratch:
    """An instance restored at ``place``: its data, its socket and its log are in there."""

    def __init__(self, backups, stanza, place):
        self.backups, self.stanza, self.place = backups, stanza, place
        settings = backups.settings["stanzas"][stanza]
        self.bin = f"/usr/lib/postgresql/{settings['version']}/bin"
        self.database = settings["database"]
        self.own = settings.get("sql") or ""
        self.data = place / "data"
        self.log = place / "log"

    def restore(self, words):
        self.place.mkdir(mode=0o700, parents=True)
        self.data.mkdir(mode=0o700)
        (self.place / "stanza").write_text(f"{self.stanza}\n", "utf-8")
        self.backups.pgbackrest(
            self.stanza, f"--pg1-path={self.data}", "--archive-mode=off", *words, "restore", restoring=True
        )

    def start(self):
        options = {
            **SCRATCH,
            "unix_socket_directories": self.place,
            "port": "5432",
            "hba_file": self.place / "pg_hba.conf",
        }
        # Only who may enter the directory reaches the socket in it.
        options["hba_file"].write_text("local all all trust\n", "utf-8")
        words = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        try:
            run([f"{self.bin}/pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "86400", "-o", words, "start"])
            self.opened()
        except Failed as error:
            last = " | ".join(line.strip() for line in self.log.read_text("utf-8", "replace").splitlines()[-4:])
            raise Failed(f"the restored instance does not start: {last[-600:]}") from error

    def opened(self):
        """Wait until all of the log is replayed. Raises when it ends before."""
        while True:
            run([f"{self.bin}/pg_ctl", "-D", self.data, "status"])
            done = subprocess.run([*self.psql("postgres"), "select 1"], capture_output=True, check=False)
            if done.returncode == 0:
                return
            time.sleep(0.2)

    def stop(self):
        run([f"{self.bin}/pg_ctl", "-D", self.data, "-m", "fast", "-w", "-t", "600", "stop"])

    def remove(self):
        if (self.data / "postmaster.pid").exists():
            run([f"{self.bin}/pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop"], check=False)
        shutil.rmtree(self.place, ignore_errors=True)

    def sql(self, text, database):
        return run([*self.psql(database), text])

    def psql(self, database):
        return ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.place, "-p", "5432", "-d", database, "-c"]

    def rows(self):
        """Table -> rows, counted."""
        tables = self.sql(
            "select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables "
            "where schemaname not in ('pg_catalog', 'information_schema')",
            self.database,
        ).splitlines()
        return {table: int(self.sql(COUNT.format(table), self.database)) for table in tables}

    def check(self):
        """Run the user's own SQL. It sees what the database's owner sees, and changes nothing."""
        if not self.own:
            return
        options = f"-c role={self.database} -c default_transaction_read_only=on"
        try:
            run(["env", f"PGOPTIONS={options}", *self.psql(self.database)[:-1], "-f", self.own])
        except Failed as error:
            raise Failed(f"its own check: {error}") from error

    def checksums(self):
        run([f"{self.bin}/pg_checksums", "-D", self.data, "--check"])

    def last_commit(self):
        """When the last transaction that was replayed was made, as the log has it; None when none was."""
        log = self.log.read_text("utf-8", "replace")
        found = re.findall(r"last completed transaction was at log time ([^\n]+)", log)
        return found[-1] if found else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("settings")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("stanza")
    one.add_argument("--full", action="store_true")
    commands.add_parser("prove").add_argument("stanza")
    commands.add_parser("list").add_argument("stanzas", nargs="*")
    new = commands.add_parser("restore")
    new.add_argument("stanza")
    new.add_argument("name")
    new.add_argument("--at", default="")
    new.add_argument("--set", default="")
    commands.add_parser("drop").add_argument("name")
    given = parser.parse_args()
    backups = Backups(given.settings)
    try:
        if given.command == "run":
            answer = {"label": backups.run(given.stanza, given.full)}
        elif given.command == "prove":
            answer = backups.prove(given.stanza)
        elif given.command == "list":
            answer = backups.list(given.stanzas)
        elif given.command == "restore":
            answer = backups.restore(given.stanza, given.name, given.at, given.set)
        else:
            backups.drop(given.name)
            answer = {}
    except Failed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
