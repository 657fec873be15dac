# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all keepers of backups have in common: locks, reports, what is wrong, proofs, restored instances.

Private to the collection. It runs on the server that keeps the backups, beside the program of a tool, to which the
roles copy it: so it imports nothing of the collection.

    PROGRAM SETTINGS begin NAME... [--check] [--arrived]
                                             the place for their backups, where there is none (check: only told;
                                             arrived: they may have been elsewhere for a while)
    PROGRAM SETTINGS run NAME [--full]       one backup, as due; then its proof
    PROGRAM SETTINGS prove NAME              prove the newest backup again
    PROGRAM SETTINGS rehearse NAME VERSION [--fresh]
                                             bring a restored copy of the newest backup to another major version (fresh:
                                             make and prove one before); what it was as JSON
    PROGRAM SETTINGS list [NAME...]          what there is, and what is wrong with it, as JSON
    PROGRAM SETTINGS restore NAME INSTANCE [--at TIME | --set LABEL]
                                             a new instance beside the backups, which stays and runs
    PROGRAM SETTINGS drop INSTANCE           end such an instance and remove its data
    PROGRAM SETTINGS info NAME [LABEL]       all that is known of one backup (default: the newest), as JSON
    PROGRAM SETTINGS copy COPY               bring a copy of the repository up to date, where the tool can
    PROGRAM SETTINGS delete NAME LABEL [--dependents] [--check]
                                             remove one, with those that need it (check: only say what would go)
    PROGRAM SETTINGS download NAME [--at TIME | --set LABEL]
                                             restore, and write what the engine's own tools read to standard output;
                                             what it was, as JSON, to standard error

SETTINGS is a JSON file: directory (of the reports and restored instances), repository (the directory of the backups,
empty when it is elsewhere), stanzas: name -> database, gap (the longest time between two backups, in seconds), verify,
sql (a file for the proof, or empty), and what the tool needs besides. For who restores from a copy of the repository
there is another one, with the copy's name (copy).
"""

from __future__ import annotations

import abc
import argparse
import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
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
# Bytes that are handed on at once.
CHUNK = 1 << 18


class Failed(Exception):
    """What went wrong, in one line."""


class Busy(Failed):
    """Another backup or proof of the same is at work."""


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


def copied(source: BinaryIO, into: BinaryIO, rate: int) -> None:
    """Copy all of it, at no time faster than ``rate`` bytes a second; 0: as fast as it comes."""
    free = time.monotonic()
    while chunk := source.read(CHUNK):
        into.write(chunk)
        if rate:
            now = time.monotonic()
            free = max(free, now) + len(chunk) / rate
            time.sleep(free - now)


def handed_on(commands: Sequence[Sequence[str]], into: BinaryIO) -> dict[str, Any]:
    """Run programs as ``piped`` does, and write what the last one gives; gives its ``bytes`` and ``sha256``.

    No more than a piece of it is ever in memory. Raises ``Failed``, also when nobody takes it any more.
    """
    reading, writing = os.pipe()
    summed = hashlib.sha256()
    told: dict[str, Any] = {"bytes": 0, "why": ""}

    def hand_on() -> None:
        with os.fdopen(reading, "rb") as source:
            try:
                while chunk := source.read(CHUNK):
                    into.write(chunk)
                    summed.update(chunk)
                    told["bytes"] += len(chunk)
                into.flush()
            except OSError as error:
                told["why"] = f"what was restored can't be written: {error.strerror}"

    thread = threading.Thread(target=hand_on)
    thread.start()
    try:
        with os.fdopen(writing, "wb") as sink:
            piped(commands, None, sink)
    finally:
        thread.join()
    if told["why"]:
        raise Failed(told["why"])
    return {"bytes": told["bytes"], "sha256": summed.hexdigest()}


def end_with_the_reader() -> None:
    """Have this program end in good order once nobody reads its standard output any more, however long it is silent."""

    def leave(_number: int, _frame: object) -> None:
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, leave)

    def watch() -> None:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)  # without any wish, an error is all that is told
        poll.poll()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


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

    ending = ""  # of a file with what ``artefact`` gives

    def artefact(self) -> list[list[str]]:
        """The programs, each fed by the one before, that write what is in it so that the engine's own tools read it."""
        raise Failed("a backup of this engine can't be downloaded: not supported yet")


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

    def due(self, name: str) -> bool:
        """Whether a backup has to be made at once: there is none, or none from which the last moments can be had."""
        return not self.known(name) or bool(self.lacking(name))

    def settle(self, _name: str) -> bool:
        """Have the database's log come, so that ``lacking`` sees what is missing before it. Whether that is kept."""
        return False

    def lacking(self, _name: str) -> str:
        """What of the database's log is missing after the newest backup, in words; empty where all is there."""
        return ""

    @abc.abstractmethod
    def known(self, name: str) -> list[dict[str, Any]]:
        """The backups of a database, the oldest first.

        ``label``, ``type``, ``start`` and ``time`` (its end; seconds since 1970), ``size`` and ``stored`` (bytes),
        ``needs`` (the labels of those that it can't be restored without).
        """

    @abc.abstractmethod
    def make(self, name: str, full: bool, report: dict[str, Any]) -> str:
        """Make a backup; gives its label, and adds to the report what is known of it."""

    @abc.abstractmethod
    def scratch(self, name: str, place: Path) -> Scratch:
        """An instance that is restored there."""

    def every_moment(self, _name: str) -> bool:
        """Whether the database's log is kept too, so that moments between two backups can be had."""
        return True

    @abc.abstractmethod
    def forget(self, name: str, label: str) -> None:
        """Remove a backup, those that need it, and whatever of the log only they needed."""

    def more_problems(self, _name: str) -> list[str]:
        """What else somebody should look at."""
        return []

    def made(self, name: str) -> None:
        """What follows a backup that is made and proved: all copies of the repository get it."""
        whys = []
        for copy in self.settings.get("copies") or {}:
            try:
                self.copy(copy, wait=True)
            except Failed as error:
                whys.append(str(error))
        if whys:
            raise Failed(f"{name} is backed up, but: {'; '.join(whys)}")

    @abc.abstractmethod
    def copy(self, copy: str, wait: bool) -> None:
        """Bring a copy of the repository up to date; ``wait``: also when a backup is made, once that has ended."""

    def begin_all(self, names: Sequence[str], arrived: bool, check: bool) -> dict[str, Any]:
        """What had no place yet (``new``; it has one now), and of what a backup has to be made at once (``due``)."""
        new = [name for name in names if not self.begun(name)]
        due = set(new)
        for name in [] if check else names:
            if name in new:
                self.begin(name)
            elif arrived:
                try:
                    self.settle(name)
                except Failed:
                    # A primary may still try the former place, which is away, for minutes; then some will be missing.
                    due.add(name)
        return {"new": new, "due": [name for name in names if name in due or self.due(name)]}

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
        self.made(name)
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
        place = self.place(name)
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

    def place(self, name: str) -> Path:
        """Where its newest backup is restored for a moment."""
        # The path of a socket has little room, and names may be long.
        return self.directory / "proofs" / hashlib.sha256(name.encode()).hexdigest()[:12]

    def rehearse(self, name: str, version: str, fresh: bool) -> dict[str, Any]:
        """Bring a restored copy to another major version; ``fresh``: of a backup that is made before.

        Gives ``label``, ``version``, ``tables``, ``rows``, ``upgrade`` and ``seconds`` (the whole).
        """
        raise Failed(f"{name} can't be brought to version {version} (fresh: {fresh}): there is no such way")

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
        lacking = self.lacking(name)
        if lacking:
            told.append(f"{lacking}, so no moment after that can be had until the next backup: longshore backup now")
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

    # One backup.

    def one(self, name: str, label: str) -> dict[str, Any]:
        """The backup of that name, the newest for none. Raises ``Failed``."""
        found = self.known(name)
        chosen = [each for each in found if label in ("", each["label"])]
        if not found:
            raise Failed(f"{name} has no backup yet")
        if not chosen:
            raise Failed(f"{name} has no backup {label}; there are: {', '.join(each['label'] for each in found)}")
        return chosen[-1]

    def described(self, name: str, label: str) -> dict[str, Any]:
        """All that is known of one backup."""
        found, chosen = self.known(name), self.one(name, label)
        proofs = [each for each in self.reports(name) if each["kind"] == "proof"]
        told = [each for each in proofs if each.get("label") == chosen["label"]]
        return {
            **chosen,
            "seconds": round(chosen["time"] - chosen["start"], 2),
            "needed_by": [each["label"] for each in found if chosen["label"] in each["needs"]],
            "every_moment": self.every_moment(name),
            "proof": measured(told[-1]) if told else None,
        }

    def deletion(self, name: str, label: str, dependents: bool) -> dict[str, Any]:
        """What goes with a backup that is removed: ``goes`` (labels) and ``lost`` (in words). Raises ``Failed``."""
        self.one(name, label)
        found = self.known(name)
        going = [each for each in found if label in (each["label"], *each["needs"])]
        goes = [each["label"] for each in going]
        left = [each for each in found if each not in going]
        if len(going) > 1 and not dependents:
            others = ", ".join(each for each in goes if each != label)
            raise Failed(f"{others} can't be restored without {label}; with --with-dependents all of them go")
        if not left:
            raise Failed(f"{label} is the last backup of {name}; it goes only when there is another one")
        proofs = {
            each["label"]: each["ok"] for each in self.reports(name) if each["kind"] == "proof" and "label" in each
        }
        good = [each["label"] for each in found if proofs.get(each["label"])]
        if not [each for each in left if (proofs.get(each["label"]) if good else proofs.get(each["label"], True))]:
            raise Failed(
                "no backup would be left of which a proof says that it is good; longshore backup now makes one"
            )
        return {"goes": goes, "lost": self.lost(name, going, left)}

    def lost(self, name: str, going: Sequence[Mapping[str, Any]], left: Sequence[Mapping[str, Any]]) -> str:
        """Which moments can't be had any more, in words."""
        if not self.every_moment(name):
            return f"What {name} held at {', '.join(moment(each['time']) for each in going)} can't be had any more."
        oldest, next_one = min(each["time"] for each in going), min(each["time"] for each in left)
        if oldest < next_one:
            return f"No moment before {moment(next_one)} can be had any more; until now those since {moment(oldest)}."
        return f"Every moment since {moment(next_one)} can still be had; for some, a restore takes longer."

    def delete(self, name: str, label: str, dependents: bool) -> dict[str, Any]:
        """Remove a backup; gives what went."""
        with self.locked(name):
            told = self.deletion(name, label, dependents)
            self.forget(name, label)
            left = {each["label"] for each in self.known(name)}
            self.report(name, {"began": time.time(), "kind": "deletion", "labels": told["goes"], "ok": True})
        if stays := [each for each in told["goes"] if each in left]:
            raise Failed(f"{', '.join(stays)} is there still, although it was to go")
        return told

    def download(self, name: str, at: str, label: str, into: BinaryIO) -> dict[str, Any]:
        """Restore, and write the artefact; gives what it was."""
        began = time.time()
        if label:
            self.one(name, label)
        self.tidy(name)
        # Not by its name: the path of a socket has little room.
        scratch = self.scratch(name, self.directory / "downloads" / str(os.getpid()))
        try:
            scratch.begin(name)
            scratch.restore(at, label)
            scratch.start()
            told = {"until": scratch.until(), "rows": scratch.rows()}
            scratch.check()
            sent = handed_on(scratch.artefact(), into)
            scratch.stop()
            scratch.checksums()
        finally:
            scratch.remove()
        return {**told, **sent, "ending": scratch.ending, "seconds": round(time.time() - began, 2)}

    def tidy(self, name: str) -> None:
        """Remove what downloads of it left that were killed."""
        for place in self.directory.glob("downloads/[0-9]*"):
            whose = place / "stanza"
            if not Path("/proc", place.name).exists() and whose.exists() and whose.read_text("utf-8").strip() == name:
                self.scratch(name, place).remove()

    # What is kept of each.

    @contextlib.contextmanager
    def locked(self, name: str, patience: float | None = None) -> Iterator[None]:
        """Be the only one that makes or proves backups of it. Raises ``Busy`` when another one takes longer."""
        with (self.directory / f"{name}.lock").open("a", encoding="utf-8") as file:
            patience = WAITED if patience is None else patience
            until = time.monotonic() + patience
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() >= until:
                        raise Busy(f"another backup or proof of it is at work, for more than {patience} s") from error
                time.sleep(0.5)
            yield

    def records(self, copy: str = "") -> Path:
        """Where it is written down what became of a copy; without a name, of what the settings are for."""
        copy = copy or self.settings.get("copy") or ""
        return self.directory / "copies" / copy if copy else self.directory

    def reports(self, name: str, copy: str = "") -> list[dict[str, Any]]:
        """What became of the last ones, the oldest first."""
        try:
            text = (self.records(copy) / f"{name}.jsonl").read_text("utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines()]

    def report(self, name: str, report: Mapping[str, Any]) -> None:
        """Keep one more."""
        lines = [*self.reports(name), report][-KEPT_REPORTS:]
        directory = self.records()
        directory.mkdir(parents=True, exist_ok=True)
        new = directory / f".{name}.jsonl"
        with new.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        new.replace(directory / f"{name}.jsonl")


def moment(seconds: float) -> str:
    """Seconds since 1970, for people and for ``--at``."""
    found = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{found:%Y-%m-%d %H:%M:%S}+00"


def measured(proof: Mapping[str, Any]) -> dict[str, Any]:
    """A proof, with what it says of a loss of all data servers at its beginning.

    ``rto``: the seconds after which the database served again; ``rpo``: the seconds of writes that could be missing, at
    most: since the last that was restored. Both None where it is not known.
    """
    until, last = proof.get("until"), None
    if until:
        with contextlib.suppress(ValueError):
            # PostgreSQL writes the zone's name where it is none of figures.
            text = re.sub(r"([+-]\d\d)$", r"\1:00", re.sub(r" (?:UTC|GMT|Z)$", "+00:00", until))
            found = datetime.datetime.fromisoformat(text)
            last = found.timestamp() if found.tzinfo is not None else None
    names = ("began", "ok", "why", "seconds", "restored", "until", "rows")
    return {
        **{name: proof.get(name) for name in names},
        "rto": proof.get("restored"),
        "rpo": round(max(0.0, proof["began"] - last), 2) if last is not None else None,
    }


def main(kind: type[Keeper]) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("settings")
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("begin")
    first.add_argument("stanzas", nargs="+")
    first.add_argument("--check", action="store_true")
    first.add_argument("--arrived", action="store_true")
    one = commands.add_parser("run")
    one.add_argument("stanza")
    one.add_argument("--full", action="store_true")
    commands.add_parser("prove").add_argument("stanza")
    tried = commands.add_parser("rehearse")
    tried.add_argument("stanza")
    tried.add_argument("version")
    tried.add_argument("--fresh", action="store_true")
    commands.add_parser("copy").add_argument("copy")
    commands.add_parser("list").add_argument("stanzas", nargs="*")
    new = commands.add_parser("restore")
    new.add_argument("stanza")
    new.add_argument("name")
    new.add_argument("--at", default="")
    new.add_argument("--set", default="")
    commands.add_parser("drop").add_argument("name")
    told = commands.add_parser("info")
    told.add_argument("stanza")
    told.add_argument("label", nargs="?", default="")
    going = commands.add_parser("delete")
    going.add_argument("stanza")
    going.add_argument("label")
    going.add_argument("--dependents", action="store_true")
    going.add_argument("--check", action="store_true")
    out = commands.add_parser("download")
    out.add_argument("stanza")
    out.add_argument("--at", default="")
    out.add_argument("--set", default="")
    given = parser.parse_args()
    try:
        if given.command == "download":
            end_with_the_reader()
            answer = kind(given.settings).download(given.stanza, given.at, given.set, sys.stdout.buffer)
            sys.stderr.write(f"{json.dumps(answer)}\n")
            return 0
        answer = _answer(kind(given.settings), given)
    except (Failed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{json.dumps(answer)}\n")
    return 0


def _answer(keeper: Keeper, given: argparse.Namespace) -> dict[str, Any]:
    actions: dict[str, Callable[[], dict[str, Any] | None]] = {
        "begin": lambda: keeper.begin_all(given.stanzas, given.arrived, given.check),
        "run": lambda: {"label": keeper.run(given.stanza, given.full)},
        "prove": lambda: keeper.prove(given.stanza),
        "rehearse": lambda: keeper.rehearse(given.stanza, given.version, given.fresh),
        "copy": lambda: keeper.copy(given.copy, wait=False),
        "list": lambda: keeper.told(given.stanzas),
        "restore": lambda: keeper.restore(given.stanza, given.name, given.at, given.set),
        "drop": lambda: keeper.drop(given.name),
        "info": lambda: keeper.described(given.stanza, given.label),
        "delete": lambda: (keeper.deletion if given.check else keeper.delete)(
            given.stanza, given.label, given.dependents
        ),
    }
    return actions[given.command]() or {}
