# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups by restic, each proved by restoring it. Written by the role longshore.stack.restic.

``keeper.py``, beside it, says how it is called, and what the settings are. Here they have besides: place (what restic
calls the repository), options (of restic), environment (what opens it), ca, certificate and key (files), and of each
stanza engine, port, health_port, servers (name -> address), user, password, keep (days), bandwidth (bytes a second, or
0).

    PROGRAM SETTINGS fetch NAME              all of a database's data, on standard output
    PROGRAM SETTINGS follow NAME             keep its log, for ever
"""

from __future__ import annotations

import datetime
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import of_mariadb
import of_rabbitmq
import of_valkey
from copies import Copied, Layout, Part
from keeper import Failed, Scratch, main, run

if TYPE_CHECKING:
    from collections.abc import Mapping

ENGINES = {"mariadb": of_mariadb.Database, "redis": of_valkey.Database, "rabbitmq": of_rabbitmq.Database}
# Another one at work on the same repository is waited for.
PATIENCE = "--retry-lock=1h"
# Seconds for a look into the repository.
ASKED = 60.0
# How restic ends where there is no repository; with anything else it can't be had.
NO_REPOSITORY = "restic ended with 10:"


class Missing(Failed):
    """There is no repository."""


class Restic(Copied):
    """Keeps the backups of databases that restic knows nothing of: as one file each."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def argv(self, *words: str) -> list[str]:
        """The command that has restic do something."""
        options = [word for option in self.settings["options"] for word in ("-o", option)]
        return ["restic", f"--repo={self.settings['place']}", f"--cache-dir={self.directory}/cache", *options, *words]

    def asked(self, *words: str) -> str:
        """What is there, for somebody who waits: a place that is away would be tried for many minutes else."""
        return self.call("--no-lock", *words, timeout=ASKED)

    def call(self, *words: str, timeout: float | None = None) -> str:
        """The output of restic."""
        try:
            return run(self.argv(*words), timeout=timeout, environment=self.settings["environment"])
        except Failed as error:
            if NO_REPOSITORY not in str(error):
                raise
            for name in ("made", *self.settings["stanzas"]):
                self.mark(name).unlink(missing_ok=True)
            place = self.settings["place"]
            raise Missing(f"there are no backups at {place} any more; longshore up begins anew there") from error

    def database(self, name: str) -> Any:
        """What is backed up."""
        settings = self.settings["stanzas"][name]
        return ENGINES[settings["engine"]](name, self.settings, self.directory / "logs" / name)

    def mark(self, what: str) -> Path:
        """A file that says that something was done with this repository: asking restic takes a second of work."""
        place = hashlib.sha256(self.settings["place"].encode()).hexdigest()[:16]
        return self.directory / "places" / f"{place}.{what}"

    def begun(self, _name: str) -> bool:
        """Whether there is the repository."""
        here = self.settings["repository"]
        return self.mark("made").exists() and (not here or Path(here, "config").exists())

    def begin(self, name: str) -> None:
        """Make it, unless it is there."""
        if self.begun(name):
            return
        try:
            self.asked("cat", "config")
        except Missing:
            self.call("init")
        self.mark("made").touch()

    def due(self, name: str) -> bool:
        """Whether nothing was backed up there."""
        return not self.mark(name).exists() and super().due(name)

    def known(self, name: str) -> list[dict[str, Any]]:
        """The snapshots of a database."""
        found = json.loads(self.asked("snapshots", "--json", f"--tag={name}")) or []
        return sorted((_backup(each) for each in found), key=lambda each: float(each["time"]))

    def known_so_far(self, name: str) -> list[dict[str, Any]]:
        """The same; none where there is no repository."""
        try:
            return self.known(name)
        except Missing:
            return []

    def make(self, name: str, _full: bool, report: dict[str, Any]) -> str:
        """Make one; what is in it already, restic stores no second time."""
        self.call("unlock")  # by one that was killed
        report["type"] = "full"
        self.room(self.known(name), "full")
        command = [sys.executable, str(Path(__file__).resolve()), self.path, "fetch", name]
        words = ["--json", "--host=longshore", f"--tag={name}", f"--stdin-filename={name}", "--stdin-from-command"]
        words += self.limit(name)
        lines = self.call("backup", PATIENCE, *words, "--", *command).splitlines()
        told = next(each for each in map(json.loads, reversed(lines)) if each["message_type"] == "summary")
        report.update(size=told["total_bytes_processed"], stored=told["data_added_packed"])
        self.mark(name).touch()
        keep = self.settings["stanzas"][name]["keep"]
        kept = (f"--tag={name}", "--group-by=tags", f"--keep-within={keep}d")
        self.call("forget", *kept, "--prune", *self.limit(name), PATIENCE)
        self.database(name).forget(self.known(name)[0]["time"])
        label: str = told["snapshot_id"][:8]
        return label

    def limit(self, name: str) -> list[str]:
        """The words that have restic send no faster than is wanted, which it takes in KiB a second."""
        rate = self.settings["stanzas"][name]["bandwidth"]
        return [f"--limit-upload={rate // 1024}"] if rate else []

    def every_moment(self, name: str) -> bool:
        """Whether its log is kept."""
        return bool(self.database(name).logged)

    def forget(self, name: str, label: str) -> None:
        """By restic; nothing needs it."""
        self.call("forget", label, "--prune", *self.limit(name), PATIENCE)
        self.database(name).forget(self.known(name)[0]["time"])

    def more_problems(self, name: str) -> list[str]:
        """Of the database's log."""
        return [*super().more_problems(name), *self.database(name).problems()]

    def layouts(self) -> list[Layout]:
        """All databases share it: the data, what says where they are, who may read them, and the snapshots."""
        parts = tuple(Part(path) for path in ("data", "index", "keys", "snapshots"))
        return [Layout(tuple(self.settings["stanzas"]), parts, ("config",))]

    def scratch(self, name: str, place: Path) -> Scratch:
        """A server of that engine."""
        made: Scratch = self.database(name).scratch(self, place)
        return made

    def dump(self, name: str, label: str) -> list[str]:
        """The command that gives the data of a backup."""
        # Else it says among the data that it waits for a lock.
        return self.argv("dump", "--quiet", PATIENCE, label, f"/{name}")


def _backup(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    summary = snapshot["summary"]
    began, ended = (datetime.datetime.fromisoformat(summary[f"backup_{what}"]) for what in ("start", "end"))
    return {
        "label": snapshot["short_id"],
        "type": "full",
        "start": began.timestamp(),
        "time": ended.timestamp(),
        "size": summary["total_bytes_processed"],
        "stored": summary["data_added_packed"],
        "needs": [],
    }


def by_itself() -> int:
    """Do what only this program can, which writes or waits all the time."""
    _program, path, command, name = sys.argv
    database = Restic(path).database(name)
    try:
        getattr(database, command)()
    except (Failed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(by_itself() if sys.argv[2:3] in (["fetch"], ["follow"]) else main(Restic))
