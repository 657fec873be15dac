# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all keepers of backups have in common: locks, reports, what is wrong, proofs, restored instances.

Private to the collection. It runs on the server that keeps the backups, beside the program of a tool, to which the
roles copy it: so it imports nothing of the collection.

    PROGRAM SETTINGS begin NAME... [--check] the place for their backups, where there is none (check: only told)
    PROGRAM SETTINGS run NAME [--full]       one backup, as due; then its proof
    PROGRAM SETTINGS prove NAME              prove the newest backup again
    PROGRAM SETTINGS list [NAME...]          what there is, and what is wrong with it, as JSON
    PROGRAM SETTINGS restore NAME INSTANCE [--at TIME | --set LABEL]
                                             a new instance beside the backups, which stays and runs
    PROGRAM SETTINGS drop INSTANCE           end such an instance and remove its data

SETTINGS is a JSON file: directory (of the reports and restored instances), repository (the directory of the backups,
empty when it is elsewhere), stanzas: name -> database, gap (the longest time between two backups, in seconds), verify,
sql (a file for the proof, or empty), and what the tool needs besides.
"""

from __future__ import annotations

import abc
import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import IO, Any, BinaryIO

# So much has to be free beyond what the last backup of its kind took.
SPARE = 256 * 1024 * 1024
KEPT_REPORTS = 200
# Seconds for which another backup of the same, or its proof, is waited for: the first one is made by itself.
WAITED = 3600
# Seconds until a restored instance serves: a large one recovers, or reads, for long.
STARTING = 3600.0
SHRUNK = 0.5


class Failed(Exception):
    """What went wrong, in one line."""


def run(
    argv: Sequence[str | Path],
    timeout: float | None = None,
    check: bool = True,
    environment: Mapping[str, str] | None = None,
) -> str:
    """The output of a program. Raises ``Failed`` with its last words, or after ``timeout`` seconds."""
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [str(word) for word in argv],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **environment} if environment else None,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{Path(argv[0]).name} took longer than {timeout:g} s") from error
    if check and done.returncode != 0:
        raise Failed(f"{Path(argv[0]).name} ended with {done.returncode}: {last_words(done.stderr or done.stdout)}")
    return done.stdout


def piped(
    commands: Sequence[Sequence[str]], environment: Mapping[str, str] | None = None, into: BinaryIO | None = None
) -> None:
    """Run programs, each with the output of the one before as its input, that of the last written to a file.

    Raises ``Failed`` with the last words of the first that fails.
    """
    processes: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
    with contextlib.ExitStack() as stack:
        for index, argv in enumerate(commands):
            error: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
            before = processes[-1][0].stdout if processes else subprocess.DEVNULL
            output = (into or subprocess.DEVNULL) if index == len(commands) - 1 else subprocess.PIPE
            full = {**os.environ, **(environment or {})}
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                argv, stdin=before, stdout=output, stderr=error, env=full
            )
            if processes and processes[-1][0].stdout is not None:
                processes[-1][0].stdout.close()  # the next one has it
            processes.append((process, error))
        for process, _error in reversed(processes):
            process.wait()
        # Who is fed by one that ends early fails too; and who feeds one that ends early dies of that.
        failed = [each for each in processes if each[0].returncode not in (0, -signal.SIGPIPE)]
        for process, told in failed:
            told.seek(0)
            words = last_words(told.read().decode("utf-8", "replace"))
            raise Failed(f"{Path(str(process.args[0])).name} ended with {process.returncode}: {words}")  # type: ignore[index]


def begun(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """A program that goes on when this one has ended; what it says is in the file."""
    with log.open("ab") as file:
        return subprocess.Popen(  # pylint: disable=ansible-bad-function
            argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )


def last_words(text: str) -> str:
    """The end of a log, in one line."""
    return " | ".join(line.strip() for line in text.strip().splitlines()[-4:])[-600:]


class Scratch(abc.ABC):
    """An instance restored at ``place``: its data, its socket and its log are in there."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.data = place / "data"
        self.log = place / "log"

    def begin(self, name: str) -> None:
        """Make its directories."""
        self.place.mkdir(mode=0o700, parents=True)
        self.data.mkdir(mode=0o700)
        (self.place / "stanza").write_text(f"{name}\n", "utf-8")

    @abc.abstractmethod
    def restore(self, at: str, label: str) -> None:
        """Have its data as they were at a moment (empty: the last), or when the backup ``label`` was made."""

    @abc.abstractmethod
    def start(self) -> None:
        """Have it serve who may enter its directory, and nobody else."""

    def await_start(self, process: subprocess.Popen[bytes], answers: Callable[[], bool]) -> None:
        """Wait until it serves. Raises ``Failed`` when it ends before, or does not in time."""
        until = time.monotonic() + STARTING
        while not answers():
            if time.monotonic() > until or process.poll() is not None:
                words = last_words(self.log.read_text("utf-8", "replace"))
                raise Failed(f"the restored instance does not start: {words}")
            time.sleep(0.1)

    @abc.abstractmethod
    def rows(self) -> dict[str, int]:
        """What is in it, counted: table → rows."""

    @abc.abstractmethod
    def check(self) -> None:
        """Raise ``Failed`` when the user's own check finds something."""

    def until(self) -> str | None:
        """When what was written last was written, if that is known."""
        return None

    @abc.abstractmethod
    def stop(self) -> None:
        """End it in good order."""

    @abc.abstractmethod
    def checksums(self) -> None:
        """Raise ``Failed`` when what it left on the disk is damaged."""

    @abc.abstractmethod
    def remove(self) -> None:
        """End it, and remove all of it."""

    @abc.abstractmethod
    def told(self) -> dict[str, Any]:
        """How it is asked: ``socket``, ``ask`` (a command)."""


class Keeper(abc.ABC):
    """Keeps the backups of some databases, which are its stanzas."""

    def __init__(self, path: str) -> None:
        self.settings: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
        self.directory = Path(self.settings["directory"])

    # What each tool does in its own way.

    @abc.abstractmethod
    def begun(self, name: str) -> bool:
        """Whether there is a place for the backups of a database."""

    @abc.abstractmethod
    def begin(self, name: str) -> None:
        """Make it."""

    def empty(self, name: str) -> bool:
        """Whether there is no backup in it."""
        return not self.known(name)

    @abc.abstractmethod
    def known(self, name: str) -> list[dict[str, Any]]:
        """The backups of a database, the oldest first: ``label``, ``type``, ``time``, ``size``, ``stored``."""

    @abc.abstractmethod
    def make(self, name: str, full: bool, report: dict[str, Any]) -> str:
        """Make a backup; gives its label, and adds to the report what is known of it."""

    @abc.abstractmethod
    def scratch(self, name: str, place: Path) -> Scratch:
        """An instance that is restored there."""

    def more_problems(self, _name: str) -> list[str]:
        """What else somebody should look at."""
        return []

    # Making one.

    def run(self, name: str, full: bool) -> str:
        """One backup, and its proof; gives its label."""
        with self.locked(name):
            report: dict[str, Any] = {"began": time.time(), "kind": "backup"}
            try:
                label = report["label"] = self.make(name, full, report)
            except (Failed, OSError) as error:
                self.report(name, {**report, "ok": False, "why": str(error)})
                raise Failed(str(error)) from error
            self.report(name, {**report, "ok": True})
            if self.settings["stanzas"][name]["verify"]:
                self.proved(name)
            return label

    def room(self, like: Sequence[Mapping[str, Any]], kind: str) -> None:
        """Raise ``Failed`` when the disk of the backups has no room for another one as large as the last of these."""
        if not like or not self.settings["repository"]:
            return
        last = max(int(each["stored"]) for each in like[-3:])
        free = shutil.disk_usage(self.settings["repository"]).free
        if free < last + SPARE:
            raise Failed(
                f"{self.settings['repository']} has {free >> 20} MB left; the next {kind} backup may take "
                f"{(last + SPARE) >> 20} MB. Make room, or keep backups for less long"
            )

    # Proving one.

    def prove(self, name: str) -> dict[str, Any]:
        """Prove the newest backup; gives what is known of it."""
        with self.locked(name):
            return self.proved(name)

    def proved(self, name: str) -> dict[str, Any]:
        """The same, for who has the lock."""
        began = time.time()
        report: dict[str, Any] = {"began": began, "kind": "proof"}
        place = self.directory / "proofs" / name
        try:
            backups = self.known(name)
            if not backups:
                raise Failed("there is no backup")
            report["label"] = backups[-1]["label"]
            scratch = self.scratch(name, place)
            scratch.remove()
            scratch.begin(name)
            scratch.restore("", "")
            scratch.start()
            report["restored"] = round(time.time() - began, 2)
            report["until"] = scratch.until()
            report["rows"] = scratch.rows()
            scratch.check()
            scratch.stop()
            scratch.checksums()
            before = self.tables_before(name)
            if before and not report["rows"]:
                raise Failed(f"no table was found in it; the one proved before had {before}")
        except (Failed, OSError) as error:
            self.report(name, {**report, "ok": False, "why": str(error)})
            raise Failed(f"{report.get('label', name)} could not be proved: {error}") from error
        finally:
            self.scratch(name, place).remove()
        report = {**report, "ok": True, "seconds": round(time.time() - began, 2)}
        self.report(name, report)
        return report

    def tables_before(self, name: str) -> int:
        """How many tables the newest backup had that was proved: a new database has none, one with data keeps some."""
        proved = [each for each in self.reports(name) if each["kind"] == "proof" and each["ok"]]
        return len(proved[-1]["rows"]) if proved else 0

    # Looking.

    def told(self, names: Sequence[str]) -> dict[str, Any]:
        """By name, the ``backups`` and the ``problems``."""
        return {name: self.listed(name) for name in names or self.settings["stanzas"]}

    def listed(self, name: str) -> dict[str, Any]:
        """The backups of one, with their proofs."""
        reports = self.reports(name)
        proofs = {each["label"]: each for each in reports if each["kind"] == "proof" and "label" in each}
        found = []
        for each in self.known(name):
            proof = proofs.get(each["label"], {})
            rows = sum((proof.get("rows") or {}).values())
            found.append({**each, "proved": proof.get("ok"), "restored": proof.get("restored"), "rows": rows})
        return {"backups": found, "problems": self.problems(name, found, reports)}

    def problems(
        self, name: str, found: Sequence[Mapping[str, Any]], reports: Sequence[Mapping[str, Any]]
    ) -> list[str]:
        """What somebody should look at."""
        settings = self.settings["stanzas"][name]
        if not found:
            return ["there is no backup", *self.more_problems(name)]
        told = []
        age = time.time() - found[-1]["time"]
        # A backup that runs is not late.
        if age > settings["gap"] + 3600:
            told.append(f"the newest backup is {age / 3600:.0f} h old")
        whole = [each["size"] for each in found if each["type"] == "full"]
        if len(whole) > 1 and whole[-1] < whole[-2] * SHRUNK:
            told.append(f"the database shrank from {whole[-2] >> 20} to {whole[-1] >> 20} MB between two whole backups")
        last = {each["kind"]: each for each in reports}
        told += [f"the last {kind} failed: {each['why']}" for kind, each in last.items() if not each["ok"]]
        if settings["verify"] and "proof" not in last:
            told.append("no backup was ever proved")
        return [*told, *self.more_problems(name)]

    # Restoring one.

    def restore(self, name: str, instance: str, at: str, label: str) -> dict[str, Any]:
        """A new instance; gives how to ask it, and what is in it."""
        place = self.restored(instance)
        if place.exists():
            raise Failed(f"there is a restored instance {instance} already, at {place}; drop it first")
        scratch = self.scratch(name, place)
        began = time.time()
        try:
            scratch.begin(name)
            scratch.restore(at, label)
            scratch.start()
        except BaseException:
            scratch.remove()
            raise
        return {
            **scratch.told(),
            "name": instance,
            "seconds": round(time.time() - began, 2),
            "until": scratch.until(),
            "rows": scratch.rows(),
        }

    def drop(self, instance: str) -> None:
        """End a restored instance and remove its data."""
        place = self.restored(instance)
        if not place.exists():
            raise Failed(f"there is no restored instance {instance}")
        self.scratch((place / "stanza").read_text("utf-8").strip(), place).remove()

    def restored(self, instance: str) -> Path:
        """Where it is."""
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", instance):
            raise Failed(f"{instance!r} is no name of an instance: lower-case letters, digits, '-' and '_'")
        return self.directory / "restored" / instance

    # What is kept of each.

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Be the only one that makes or proves backups of it. Raises ``Failed`` when another one takes for ever."""
        with (self.directory / f"{name}.lock").open("a", encoding="utf-8") as file:
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

    def reports(self, name: str) -> list[dict[str, Any]]:
        """What became of the last ones, the oldest first."""
        try:
            text = (self.directory / f"{name}.jsonl").read_text("utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines()]

    def report(self, name: str, report: Mapping[str, Any]) -> None:
        """Keep one more."""
        lines = [*self.reports(name), report][-KEPT_REPORTS:]
        new = self.directory / f".{name}.jsonl"
        with new.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.directory / f"{name}.jsonl")


def main(kind: type[Keeper]) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("settings")
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("begin")
    first.add_argument("stanzas", nargs="+")
    first.add_argument("--check", action="store_true")
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
    try:
        answer = _answer(kind(given.settings), given)
    except (Failed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0


def _answer(keeper: Keeper, given: argparse.Namespace) -> dict[str, Any]:
    if given.command == "begin":
        new = [name for name in given.stanzas if not keeper.begun(name)]
        for name in [] if given.check else new:
            keeper.begin(name)
        return {"new": new, "empty": [name for name in given.stanzas if name in new or keeper.empty(name)]}
    if given.command == "run":
        return {"label": keeper.run(given.stanza, given.full)}
    if given.command == "prove":
        return keeper.prove(given.stanza)
    if given.command == "list":
        return keeper.told(given.stanzas)
    if given.command == "restore":
        return keeper.restore(given.stanza, given.name, given.at, given.set)
    keeper.drop(given.name)
    return {}
