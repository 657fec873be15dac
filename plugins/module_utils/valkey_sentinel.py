# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Sentinel: its file, of which a part is ours and a part its own, and the databases that it watches.

Private to the collection. https://valkey.io/topics/sentinel/
"""

from __future__ import annotations

import contextlib
import hashlib
import os

from .host_change import HostError, run
from .host_files import replace
from .host_programs import outdated
from .valkey_cli import SENTINEL_PORT, Valkey, relearn
from .waiting import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from .run import Run

UNIT = "valkey-sentinel.service"
DIRECTORY = "/var/lib/valkey/sentinel"
FILE = f"{DIRECTORY}/sentinel.conf"
# What a running one was started with.
APPLIED = f"{DIRECTORY}/applied"
# Seconds.
STARTING = 30.0
# Directives that a Sentinel writes for what it knows; the rest of its file is ours.
_OWN = frozenset(
    {
        *("myid", "monitor", "down-after-milliseconds", "parallel-syncs", "failover-timeout", "auth-pass", "auth-user"),
        *("config-epoch", "leader-epoch", "current-epoch", "known-replica", "known-slave", "known-sentinel"),
        *("master-reboot-down-after-period", "primary-reboot-down-after-period"),
    }
)


def merged(ours: str, there: str) -> str:
    """``ours`` with what the file ``there`` says that a Sentinel has learnt."""
    learnt = [line for line in there.splitlines() if _is_learnt(line)]
    return "\n".join([ours.rstrip("\n"), *learnt, ""])


def _is_learnt(line: str) -> bool:
    words = line.split()
    return len(words) > 1 and words[0] == "sentinel" and words[1] in _OWN


def credentials(text: str, name: str) -> tuple[str, str]:
    """User and password with which a database is asked, as a Sentinel's file has them; empty ones are missing."""
    found = {"auth-user": "", "auth-pass": ""}
    for line in text.splitlines():
        words = [word.strip('"') for word in line.split()]
        if len(words) == 4 and words[0] == "sentinel" and words[1] in found and words[2] == name:
            found[words[1]] = words[3]
    return found["auth-user"], found["auth-pass"]


def peer_password(text: str) -> str:
    """By what Sentinels know each other, as the file of one has it."""
    start = "sentinel sentinel-pass "
    return next((line[len(start) :].strip().strip('"') for line in text.splitlines() if line.startswith(start)), "")


def read(path: str) -> str:
    """A file's text; empty when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


class Sentinel:
    """This server's. ``given`` are the parameters of the module ``valkey_sentinel``."""

    def __init__(self, given: Mapping[str, Any], work: Run) -> None:
        self._given = given
        self._work = work

    def at(self, address: str) -> Valkey:
        """One of the Sentinels."""
        text = read(FILE) or self._given["config"]
        return Valkey.at(address, SENTINEL_PORT, self._given["authority"], "peer", peer_password(text))

    @property
    def here(self) -> Valkey:
        """This server's."""
        return self.at(self._given["address"])

    def digest(self) -> str:
        """Stands for what it is to be started with."""
        total = hashlib.sha256(self._given["config"].encode())
        for path in self._given["files"]:
            total.update(read(path).encode())
        return total.hexdigest()

    def due(self) -> bool:
        """Whether it was started with something else, or its program was replaced by a newer one."""
        return read(APPLIED) != self.digest() or outdated(UNIT)

    def running(self) -> bool:
        """Whether it runs."""
        return run(["systemctl", "show", "--property=ActiveState", "--value", UNIT]).strip() == "active"

    def start(self) -> None:
        """Have it run with the configuration as it is to be, and wait until it answers."""
        with self._work.to_the_end():
            # It writes its file when it ends.
            run(["systemctl", "stop", UNIT])
            owner = _owner()
            replace(FILE, merged(self._given["config"], read(FILE)).encode(), 0o640, owner)
            run(["systemctl", "enable", "--quiet", UNIT])
            run(["systemctl", "start", "--no-block", UNIT])
        try:
            until(self.here.answers, STARTING, self._work)
        except HostError as error:
            log = run(["journalctl", "--no-pager", "-o", "cat", "-n", "5", "-u", UNIT])
            words = " | ".join(log.splitlines())
            raise HostError(f"the Sentinel does not answer. Its log ends: {words}") from error
        replace(APPLIED, self.digest().encode(), 0o640, owner)

    def primary(self, name: str, addresses: Iterable[str]) -> str:
        """The address of a database's primary, as the first of the Sentinels knows it that knows it; else empty.

        Raises ``HostError`` when one is silent that may know.
        """
        silent = []
        for address in addresses:
            try:
                found = self.at(address).ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
            except HostError:
                silent.append(address)
                continue
            if found and found[0]:
                return found[0]
        if silent:
            raise HostError(
                f"{', '.join(silent)}: may know who is primary of {name}, but the Sentinel there does not answer. "
                "Bring it back, or take its server out of the stack file"
            )
        return ""

    def watch(self, database: Mapping[str, Any], others: Iterable[str], check: bool) -> Iterator[str]:
        """Watch a database; gives what is changed, a few words each."""
        name = database["name"]
        known = self.primary(name, [self._given["address"]])
        if not known:
            primary = self.primary(name, others) or database["servers"][0]["address"]
            yield f"watch {name}"
            if check:
                return
            words = ("MONITOR", name, primary, str(database["port"]), str(database["quorum"]))
            self.here.ask("SENTINEL", *words)
        live = self.here.pairs("SENTINEL", "MASTER", name) if known or not check else {}
        user, password = credentials(read(FILE), name)
        wanted = {**database["settings"], "quorum": str(database["quorum"])}
        differing = {key: str(value) for key, value in wanted.items() if live.get(key) != str(value)}
        if user != "sentinel" or password != database["password"]:
            differing |= {"auth-user": "sentinel", "auth-pass": database["password"]}
        for key, value in differing.items():
            yield f"{key} of {name}"
            if not check:
                self.here.ask("SENTINEL", "SET", name, key, last=value)

    def strangers(self, name: str) -> bool:
        """Whether it counts Sentinels that are none any more: a majority of too many may never come about."""
        return bool(set(self.here.listed("SENTINEL", "SENTINELS", name)) - set(self._given["others"]))

    def relearn(self, name: str, lost: str, check: bool) -> Iterator[str]:
        """Forget who else there is, and wait until it has learnt that anew; the others do without it meanwhile.

        With ``lost``, the address of a server, only if it knows of that. Raises ``HostError`` for one that is there.
        """
        known = self.here.pairs("SENTINEL", "MASTER", name)
        replicas, gone = int(known["num-slaves"]), 0
        if lost:
            there, others = (
                [each for each in self.here.records("SENTINEL", kind, name) if each["ip"] == lost]
                for kind in ("REPLICAS", "SENTINELS")
            )
            if known["ip"] == lost or not all("down" in each["flags"] for each in there + others):
                raise HostError(f"{name}: what runs at {lost} is watched, and not down, so it is not lost")
            if not there and not others:
                return
            gone = len(there)
        yield f"learn anew who watches {name}"
        if check:
            return
        replicas -= gone
        # One of them may be away: then it goes on with those that there are.
        with contextlib.suppress(HostError):
            relearn(self.here, name, len(self._given["others"]), replicas, self._work)

    def forget(self, name: str, check: bool) -> Iterator[str]:
        """Watch a database no more."""
        if self.primary(name, [self._given["address"]]):
            yield f"watch {name} no more"
            if not check:
                self.here.ask("SENTINEL", "REMOVE", name)


def _owner() -> tuple[int, int]:
    found = os.stat(DIRECTORY)
    return found.st_uid, found.st_gid
