# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which disk an instance's data are. Private to the collection.

Programs find the data at one path for ever, below ``/var/lib``. Where a stack file names a directory, the data are in
``DIRECTORY/INSTANCE/`` and a mount unit of systemd binds them to that path. So no configuration, sandbox or backup has
to know; and what is not mounted can't be taken for an empty database, since the mount unit wants a mark that lies
beside the data, and the instance's units want the mount (docs/decisions/0014-data-directories.md).

A move copies beside its target, under a name that nobody takes for data. Then the note ``INSTANCE.moving`` is renamed
to ``INSTANCE.switching``: before that the old data count and after it the new ones, and while it is there no unit
starts.
"""

from __future__ import annotations

import json
import os
import time

from .data_copy import Copy, size
from .data_disk import room
from .data_file_system import Mounts, unfit
from .host_change import HostError, run
from .host_files import read, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from .run import Run

UNITS = "/etc/systemd/system"
NOTES = "/var/lib/longshore/databases"
# Engine → the path of an instance's data, how they are called on another disk, and its units, the first to stop first.
KINDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "postgresql": ("/var/lib/postgresql/{version}/{name}", "postgresql-{version}", ("patroni@{name}.service",)),
    "mariadb": (
        "/var/lib/mariadb/{name}",
        "mariadb",
        ("mariadb-promoter@{name}.service", "mariadb-instance@{name}.service"),
    ),
    "redis": ("/var/lib/valkey/{name}", "valkey", ("valkey-server@{name}.service",)),
    "rabbitmq": ("/var/lib/rabbitmq/{name}", "rabbitmq", ("rabbitmq-instance@{name}.service",)),
}
# What is half copied, and what was moved from here.
MOVING, MOVED = ".moving", ".moved-%Y%m%d-%H%M%S"
# Seconds until an instance has written what it has in memory.
STOPPING = 900.0
# Bytes that are to be left at the new place, and the same as a share of the data.
SPARE, SHARE = 256 << 20, 0.1

MOUNT = """\
# Written by Longshore: changes are lost.
[Unit]
Description=Data of {name}
# Without the mark the disk is not there, and nothing is made in its place.
AssertPathExists={mark}

[Mount]
What={source}
Where={path}
Type=none
Options=bind
# Who still reads what was moved, such as a backup, is not waited for.
LazyUnmount=yes
"""
WANTS = """\
# Written by Longshore: changes are lost.
[Unit]
RequiresMountsFor={path}
# A move that was interrupted while it switched is finished first: longshore up.
AssertPathExists=!{switching}
"""
MARK = "Beside this file are data of {name}, which count as not there without it.\n"


class Place:
    """Where the data of one instance of this server are.

    ``path`` is where its programs find them. ``current`` is the directory of the stack file in which they are, empty
    for none, and ``kept`` where former ones are after a move. Raises ``HostError`` from nearly everything.
    """

    def __init__(self, engine: str, name: str, work: Run, version: str = "", mounts: Mounts | None = None) -> None:
        path, leaf, units = KINDS[engine]
        self.name = name
        self.path = path.format(name=name, version=version)
        self._leaf = leaf.format(version=version)
        self.kept: list[str] = []
        self._units = [unit.format(name=name) for unit in units]
        self._work = work
        self._mounts = mounts or Mounts()
        self._mount = f"{UNITS}/{unit_of(self.path)}"
        self._moving, self._switching = (f"{NOTES}/{name}.{word}" for word in ("moving", "switching"))

    @property
    def current(self) -> str:
        """The directory in which the data are, or were when they were last seen."""
        text = (read(self._mount) or b"").decode()
        source = next((line[5:] for line in text.splitlines() if line.startswith("What=")), "")
        return os.path.dirname(os.path.dirname(source))

    def source(self, directory: str) -> str:
        """Where in ``directory`` the data lie."""
        return f"{directory}/{self.name}/{self._leaf}" if directory else self.path

    def present(self, directory: str, check: bool) -> Iterator[str]:
        """Have the data at their path, and the place of an instance that has none yet; gives what is done.

        ``directory`` is the stack file's. Data that are elsewhere stay there: see ``due``. Raises ``HostError`` when
        they are on a disk that is away, and where the directory is not fit for data.
        """
        note = _note(self._switching)
        if note:
            yield f"finish the move to {note['to'] or self.path}"
            if check:
                return
            self._switch(note)
        self._there()
        yield from self._undone(directory, check)
        if self.current and self.path not in self._mounts.live():
            yield f"mount {self.path}"
            if not check:
                self._bind(self.current)
        yield from self._prepared(directory, check)

    def _prepared(self, directory: str, check: bool) -> Iterator[str]:
        """Make the place of an instance that has no data yet."""
        if self.current or not directory or _holds(self.path):
            return
        self._fit(directory, check)
        adopted = _holds(self.source(directory))
        if adopted and not os.path.exists(self._mark(directory)):
            raise HostError(f"{self.source(directory)} holds something that is not known: move it away, then run again")
        yield f"{'take the data in' if adopted else 'make'} {self.source(directory)}"
        if check:
            return
        os.makedirs(self.source(directory), mode=0o700, exist_ok=True)
        if os.path.isdir(self.path):
            _like(self.path, self.source(directory))
        self._write(self._mark(directory), MARK.format(name=self.name))
        self._bind(directory)

    def notices(self, directory: str) -> list[str]:
        """What somebody should know of a directory that is about to get data."""
        if directory in ("", self.current) or self._mounts.point(directory) != "/":
            return []
        return [f"{directory} is on the system's own disk: no disk is mounted there, or above it"]

    def due(self, directory: str) -> bool:
        """Whether the data are to be moved. Raises ``HostError`` when there is no room, or the place is not fit."""
        if directory == self.current or not _holds(self.path):
            return False
        if not self.current and self.path in self._mounts.live():
            raise HostError(
                f"{self.path} is a mount of somebody else's: move its data yourself, or mount that elsewhere"
            )
        if directory:
            self._fit(directory, check=True)
        target = self.source(directory)
        if directory and _holds(target):
            raise HostError(f"{target} holds data already: move them away, then run again")
        needed, left = size(self.path), room(directory or os.path.dirname(self.path)).get("free", 0)
        left += size(target + MOVING)
        if left < needed * (1 + SHARE) + SPARE:
            raise HostError(
                f"{self.name}: its data have {needed >> 20} MB, and {directory or self.path} has room for "
                f"{left >> 20} MB; nothing was moved"
            )
        return True

    def _undone(self, directory: str, check: bool) -> Iterator[str]:
        """Remove what a move has copied that is not wanted any more."""
        note = _note(self._moving)
        if note and note["to"] != directory:
            yield f"give up the move to {note['to'] or self.path}"
            if not check:
                half = self.source(note["to"]) + MOVING
                if os.path.exists(half):
                    run(["rm", "-r", "--one-file-system", "--", half], timeout=STOPPING)
                os.unlink(self._moving)

    def move_in_words(self, directory: str, servers: int) -> str:
        """What a move is called among a run's changes; ``servers`` hold the data."""
        away = ", away while what has changed is copied" if servers == 1 else ""
        return f"move from {self.source(self.current)} to {self.source(directory)}{away}"

    def move(self, directory: str, ready: Callable[[], None], start: Callable[[], None]) -> None:
        """Move the data. The former ones are kept, under another name.

        ``ready`` is called once all is copied that can be while it runs: a primary hands over then. ``start`` has the
        instance start; after an error before the switch too, with its data where they were.
        """
        if directory:
            self._fit(directory, check=False)
        source, half = self.source(self.current), self.source(directory) + MOVING
        self._write(self._moving, json.dumps({"from": self.current, "to": directory}))
        self._want()
        os.makedirs(half, mode=0o700, exist_ok=True)
        copy = Copy(source, half, self._work)
        self._work.progress(f"{self.name}: copying {size(source) >> 20} MB to {directory or self.path}")
        copy.running()
        ready()
        with self._work.to_the_end():
            try:
                self._stop()
                copy.last()
                note = {"from": self.current, "to": directory, "kept": source + time.strftime(MOVED, time.gmtime())}
                self._write(self._moving, json.dumps(note))
            except BaseException:
                start()
                raise
            os.rename(self._moving, self._switching)
            _sync(NOTES)
            self._switch(note)
            start()

    def _switch(self, note: Mapping[str, Any]) -> None:
        """Have the new data be the data: each step may have been done already."""
        self._stop()
        while self.path in self._mounts.live():
            run(["systemctl", "stop", os.path.basename(self._mount)])
        self._exchange(note)
        if note["from"] and os.path.exists(self._mark(note["from"])):
            os.unlink(self._mark(note["from"]))
        if note["to"]:
            self._write(self._mark(note["to"]), MARK.format(name=self.name))
            self._bind(note["to"], start=False)
        else:
            for path in (self._mount, *self._drop_ins()):
                if os.path.exists(path):
                    os.unlink(path)
        os.sync()
        os.unlink(self._switching)
        _sync(NOTES)
        self.kept.append(note["kept"])
        run(["systemctl", "daemon-reload"])
        if note["to"]:
            self._start()

    def _exchange(self, note: Mapping[str, Any]) -> None:
        """Give the former data another name, and the new ones theirs."""
        source, target = self.source(note["from"]), self.source(note["to"])
        if not _holds(target + MOVING):
            if not _holds(target):
                raise HostError(
                    f"a move of {self.name} to {target} was interrupted, and nothing is there: is {note['to']} not "
                    "mounted? Mount it, and run again"
                )
            return
        # Where the data were below /var/lib, only a mount point may be there by now.
        if os.path.exists(source) and (note["from"] or _holds(source)):
            os.rename(source, note["kept"])
        if os.path.isdir(target):
            os.rmdir(target)
        os.rename(target + MOVING, target)

    def _start(self) -> None:
        """Mount the data."""
        run(["systemctl", "start", os.path.basename(self._mount)])
        if self.path not in self._mounts.live():
            raise HostError(f"nothing is mounted at {self.path}, though systemd has started it; run again")

    def _there(self) -> None:
        """Raise ``HostError`` when the data are on a disk that is away."""
        directory = self.current
        if not directory:
            return
        if not os.path.exists(self._mark(directory)) or not os.path.isdir(self.source(directory)):
            raise HostError(
                f"the data of {self.name} are in {self.source(directory)}, which is not there: is {directory} not "
                "mounted? Nothing was made in its place. Mount it, and run again. Where that disk is lost for good and "
                f"another server has the data, remove {self._mount}"
            )
        if self.path not in self._mounts.live() and _holds(self.path):
            raise HostError(
                f"{self.path} holds something, where the data in {self.source(directory)} are to be mounted: move it "
                "away, then run again"
            )

    def _fit(self, directory: str, check: bool) -> None:
        words = unfit(directory, self._mounts, write=not check)
        if words:
            raise HostError(f"{directory} can't hold the data of {self.name}: {words}")
        own = f"{directory}/{self.name}"
        known = (self._leaf, os.path.basename(self._mark(directory)))
        strange = [each for each in _entries(own) if each not in known and not each.startswith(f"{self._leaf}.")]
        if strange and not any(each.startswith(".longshore-") for each in strange):
            raise HostError(f"{own} holds {strange[0]}, which is not known: move it away, then run again")

    def _bind(self, directory: str, start: bool = True) -> None:
        """Have the data in ``directory`` be at the path, also after a restart of the server."""
        if not os.path.isdir(self.path):
            os.makedirs(self.path)
        # Who finds no disk there can't write there either.
        os.chown(self.path, 0, 0)
        os.chmod(self.path, 0o700)
        text = MOUNT.format(name=self.name, mark=self._mark(directory), source=self.source(directory), path=self.path)
        self._write(self._mount, text)
        self._want()
        if start:
            self._start()

    def _want(self) -> None:
        """Have the units want the mount, and not start in the middle of a switch."""
        for path in self._drop_ins():
            self._write(path, WANTS.format(path=self.path, switching=self._switching))
        run(["systemctl", "daemon-reload"])

    def _drop_ins(self) -> list[str]:
        return [f"{UNITS}/{unit}.d/data.conf" for unit in self._units]

    def _mark(self, directory: str) -> str:
        return f"{directory}/{self.name}/.longshore-{self._leaf}"

    def _stop(self) -> None:
        for unit in self._units:
            run(["systemctl", "stop", unit], timeout=STOPPING)

    @staticmethod
    def _write(path: str, text: str) -> None:
        if read(path) != text.encode():
            replace(path, text.encode(), 0o644, (0, 0))


def alone(name: str, away: Sequence[str]) -> str:
    """Why an instance is not stopped for a move: others that should serve meanwhile don't."""
    return (
        f"{name}: {', '.join(away)} does not serve, so its data are not moved here. Bring it back, or have it "
        "forgotten (longshore db forget), then run again"
    )


def unit_of(path: str) -> str:
    """The name of the mount unit of a path (systemd.unit(5), "String Escaping for Inclusion in Unit Names")."""
    parts = []
    for index, character in enumerate(path.strip("/")):
        if character == "/":
            parts.append("-")
        elif character.isascii() and (character.isalnum() or character in ":_" or (character == "." and index)):
            parts.append(character)
        else:
            parts.append("".join(f"\\x{byte:02x}" for byte in character.encode()))
    return f"{''.join(parts)}.mount"


def place_of(path: str) -> str:
    """Where the data really lie that programs find at a path of ``/var/lib``: there, or on another disk."""
    text = (read(f"{UNITS}/{unit_of(path)}") or b"").decode()
    return next((line[5:] for line in text.splitlines() if line.startswith("What=")), path)


def _note(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read(path) or b"{}")
    return found


def _entries(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def _holds(path: str) -> bool:
    """Whether something is in a directory."""
    return bool(_entries(path))


def _like(model: str, path: str) -> None:
    """Give a directory the owner and mode of another one."""
    found = os.stat(model)
    os.chown(path, found.st_uid, found.st_gid)
    os.chmod(path, found.st_mode & 0o7777)


def _sync(directory: str) -> None:
    """Have the names in a directory on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
