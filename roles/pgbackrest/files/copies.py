# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of a repository of backups at other places, by rclone. Written by the role that makes the backups.

What is in a repository is encrypted, and almost all of its files never change, so a copy is made file by file, and what
restores from the repository restores from the copy. ``keeper.py`` says what the settings are; besides there are rclone
(its configuration), origin (what rclone calls the repository), and copies: name -> place (what it calls the copy),
settings (a file for who restores from it) and bandwidth (bytes a second, or 0). Those of a copy have its name, copy.
"""

from __future__ import annotations

import abc
import contextlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keeper import Busy, Failed, Keeper, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Seconds that a copy may be behind: one is made every five minutes, of which some fail.
LATE = 3600.0
# Seconds after which a copy is proved again: a proof fetches a whole backup, which some places take money for.
PROVED = 7 * 86400.0
# Names and sizes say whether a file is there: those that change under one name are copied in any case. A place that is
# away is tried again with the next copy.
WORDS = ("--size-only", "--retries=1", "--low-level-retries=3", "--contimeout=15s", "--timeout=1m", "--log-level=ERROR")


@dataclass(frozen=True)
class Part:
    """A directory of a repository whose files never change, ``without`` those of these names (patterns).

    ``always``: also while a backup is made.
    """

    path: str
    without: tuple[str, ...] = ()
    always: bool = False


@dataclass(frozen=True)
class Layout:
    """What is copied together: the databases, their parts in the order in which one needs the other, the rest."""

    names: tuple[str, ...]
    parts: tuple[Part, ...]
    last: tuple[str, ...]  # files that change, and say what is there


class Copied(Keeper):
    """A keeper whose repository may have copies."""

    @abc.abstractmethod
    def layouts(self) -> list[Layout]:
        """What is in the repository."""

    def known_so_far(self, name: str) -> list[dict[str, Any]]:
        """The backups of a database; none where there is no repository yet."""
        return self.known(name)

    @property
    def copies(self) -> Mapping[str, Mapping[str, Any]]:
        """Name → what is known of it."""
        found: Mapping[str, Mapping[str, Any]] = self.settings.get("copies") or {}
        return found

    def begin_all(self, names: Sequence[str], arrived: bool, check: bool) -> dict[str, Any]:
        """Also of a new copy: that none was made until now."""
        for copy in () if check else self.copies:
            state = self.state(copy)
            for name in names:
                state.setdefault(name, {"at": None, "since": time.time(), "why": ""})
            self.note(copy, state)
        return super().begin_all(names, arrived, check)

    def copy(self, copy: str, wait: bool) -> None:
        """Bring a copy up to date; what a backup is made of, without ``wait``, another time. Raises ``Failed``."""
        if copy not in self.copies:
            raise Failed(f"there is no copy {copy}; there are: {', '.join(self.copies) or 'none'}")
        there = type(self)(self.copies[copy]["settings"])
        whys = []
        for layout in self.layouts():
            why = ""
            try:
                whole = self.brought(copy, there, layout, wait)
            except (Failed, OSError) as error:
                whole, why = False, str(error)
                whys.append(why)
            state = self.state(copy)
            for name in layout.names:
                before = state.get(name, {"at": None, "since": time.time()})
                state[name] = {**before, "why": why, **({"at": time.time()} if whole else {})}
            self.note(copy, state)
        if whys:
            raise Failed(f"the copy {copy} is not up to date: {'; '.join(whys)}")

    def brought(self, copy: str, there: Copied, layout: Layout, wait: bool) -> bool:
        """Bring what is copied together up to date; whether all of it is."""
        with contextlib.ExitStack() as stack:
            try:
                for name in layout.names:
                    stack.enter_context(self.locked(name) if wait else self.locked(name, 0))
            except Busy:
                for part in layout.parts:
                    if part.always:
                        self.add(copy, part)
                return False
            if labels(self, layout.names):
                self.bring(copy, there, layout)
                for name in layout.names:
                    if there.proof_due(name):
                        there.proved(name)
        return True

    def bring(self, copy: str, there: Copied, layout: Layout) -> None:
        """The same, for who has the locks."""
        theirs = labels(there, layout.names)
        if theirs and not theirs & labels(self, layout.names):
            raise Failed(
                f"{self.copies[copy]['place']} has backups of another repository, which stay untouched: give the copy "
                "another path, or restore from it"
            )
        for part in layout.parts:
            self.add(copy, part)
        for path in layout.last:
            self.rclone(copy, "copyto", path, path, "--ignore-times")
        if all(self.sound(name) for name in layout.names):
            for part in reversed(layout.parts):
                self.rclone(copy, "sync", part.path, part.path, *left_out(part))

    def proof_due(self, name: str) -> bool:
        """Whether a copy's backups were not proved for long, or never."""
        began = [float(each["began"]) for each in self.reports(name) if each["kind"] == "proof"]
        wanted = self.settings["stanzas"][name]["verify"] and bool(self.known_so_far(name))
        return wanted and (not began or time.time() - began[-1] > PROVED)

    def sound(self, name: str) -> bool:
        """Whether what has gone here may go there: not where the newest backup is bad, or none is left."""
        labels = [each["label"] for each in self.known(name)]
        proofs = {each.get("label"): each["ok"] for each in self.reports(name) if each["kind"] == "proof"}
        return bool(labels) and (not self.settings["stanzas"][name]["verify"] or proofs.get(labels[-1]) is True)

    def add(self, copy: str, part: Part) -> None:
        """Copy what is new. What has another size there was copied in part; or it is damaged here, so it is kept."""
        kept = f"--backup-dir={self.copies[copy]['place']}/replaced/{part.path}"
        self.rclone(copy, "copy", part.path, part.path, kept, *left_out(part))

    def rclone(self, copy: str, verb: str, source: str, target: str, *words: str) -> None:
        """Have rclone do something from the repository to the copy."""
        rate = self.copies[copy]["bandwidth"]
        limit = [f"--bwlimit={max(1, rate // 1024)}K"] if rate else []
        places = (f"{self.settings['origin']}/{source}", f"{self.copies[copy]['place']}/{target}")
        run(["rclone", f"--config={self.settings['rclone']}", *WORDS, *limit, verb, *words, *places])

    # What is told of it.

    def listed(self, name: str) -> dict[str, Any]:
        """Also ``copies``: name → until when it has all (seconds since 1970), or None."""
        return {
            **super().listed(name),
            "copies": {copy: self.state(copy).get(name, {}).get("at") for copy in self.copies},
        }

    def more_problems(self, name: str) -> list[str]:
        """Copies that are behind, or can't be restored."""
        return [*super().more_problems(name), *(told for copy in self.copies for told in self.behind(copy, name))]

    def behind(self, copy: str, name: str) -> Iterator[str]:
        """What is wrong with a copy."""
        state = self.state(copy).get(name)
        if state is not None and time.time() - (state["at"] or state["since"]) > LATE:
            hours = (time.time() - (state["at"] or state["since"])) / 3600
            yield f"the copy {copy} is {hours:.0f} h behind: {state['why'] or 'none is made'}"
        proofs = [each for each in self.reports(name, copy) if each["kind"] == "proof"]
        if proofs and not proofs[-1]["ok"]:
            yield f"the copy {copy}: the last proof failed: {proofs[-1]['why']}"

    def state(self, copy: str) -> dict[str, dict[str, Any]]:
        """What became of a copy, by database: ``at`` (had all, or None), ``since`` (wanted), ``why`` (it failed)."""
        try:
            found: dict[str, dict[str, Any]] = json.loads((self.records(copy) / "state.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def note(self, copy: str, state: Mapping[str, Any]) -> None:
        """Keep that."""
        directory = self.records(copy)
        directory.mkdir(parents=True, exist_ok=True)
        new = directory / ".state.json"
        new.write_text(json.dumps(state), "utf-8")
        new.replace(directory / "state.json")


def labels(keeper: Copied, names: Sequence[str]) -> set[str]:
    """What the backups of these databases are called."""
    return {str(each["label"]) for name in names for each in keeper.known_so_far(name)}


def left_out(part: Part) -> list[str]:
    """The words that have rclone take no notice of them."""
    return [f"--exclude={pattern}" for pattern in part.without]
