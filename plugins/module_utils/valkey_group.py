# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instances of Valkey on a server: started, told what is new without a restart where they take it, restarted.

Private to the collection.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time

from .data_place import alone
from .host_change import HostError, attempt, last_lines, run
from .host_files import replace
from .host_programs import outdated
from .settings_text import spaced
from .valkey_cli import SENTINEL_PORT, Valkey, follows, is_primary, only_at_a_start, relearn
from .valkey_sentinel import read
from .waiting import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .data_place import Place
    from .run import Run

DATA = "/var/lib/valkey"
PRIORITY = "replica-priority"
# How data that were put aside are called.
ASIDE = "former-%Y%m%d-%H%M%S"
# Seconds until an instance has written what it has, and ended.
STOPPING = 900.0
# Seconds. A Sentinel promotes at once when it is told to, and gives up after its failover-timeout.
HANDING_OVER = 15.0
# Seconds until a Sentinel knows a replica's new priority, and until a replica has all that was written.
LEARNING, CATCHING_UP = 30.0, 10.0
# Seconds until a primary counts a replica that says that it follows.
FOLLOWING = 5.0
# How a Sentinel flags a replica that it does not hear from: one that has just been restarted is such a one.
UNHEARD = frozenset({"s_down", "o_down", "disconnected"})
# What it says when it knows nobody who could take over, and seconds for which it is asked again.
NOBODY_YET, ACCEPTING = "NOGOODSLAVE", 10.0
# Milliseconds since a replica answered, for a Sentinel that surely counts on it: after 5,000 it chooses another one.
ANSWERED = 3000
# Milliseconds for which a primary takes no writes at most: all of a handover, or what it takes meanwhile is lost.
PAUSE = int(1000 * (CATCHING_UP + ACCEPTING + HANDING_OVER))


class Member:
    """One instance of this server; the file ``/etc/valkey/<name>.json`` says how it is reached.

    ``files`` are those with which it runs besides its own, ``deadline`` (in seconds) is until when it must serve.
    """

    def __init__(self, name: str, work: Run, files: Sequence[str] = (), deadline: float = 600.0) -> None:
        self.name = name
        self._work = work
        self._files = files
        self._deadline = deadline
        self._place: dict[str, Any] = json.loads(read(f"/etc/valkey/{name}.json") or "{}")
        self.unit = f"valkey-server@{name}.service"
        self.valkey = Valkey.local(name, self._place.get("admin", ""))
        self._applied = f"{DATA}/{name}/applied"

    def digest(self) -> str:
        """Stands for the files that it is to run with."""
        total = hashlib.sha256()
        for path in (f"/etc/valkey/{self.name}.conf", f"/etc/valkey/{self.name}.acl", *self._files):
            total.update(read(path).encode() + b"\0")
        return total.hexdigest()

    def running(self) -> bool:
        """Whether it runs or is about to."""
        return run(["systemctl", "show", "--property=ActiveState", "--value", self.unit]).strip() != "inactive"

    def converge(self, check: bool) -> Iterator[str]:
        """Have it run with what its files say; gives what is done, a few words each."""
        if not self.running():
            yield "start"
            if not check:
                self._start("start")
        elif self._changed():
            yield "take its configuration"
            if not check:
                if self.valkey.refuses():
                    # It was away while passwords changed: nobody can tell it the new ones.
                    self._start("restart")
                self._await()
                if not self._take():
                    return
        if not check:
            self._await()

    def due(self) -> bool:
        """Whether it needs a restart for what its files say, or since its program was replaced by a newer one."""
        return self.running() and (self._changed() or outdated(self.unit))

    def _changed(self) -> bool:
        return read(self._applied).partition("\n")[0] != self.digest()

    def restart(self) -> None:
        """Restart it; a primary hands over first where somebody can take over."""
        if is_primary(self.valkey.info("replication")) and self._place["sentinels"]:
            self.hand_over("")
        self._start("restart")
        self._await()

    def size(self) -> int:
        """How many servers hold it."""
        return len(self._place.get("servers", []))

    def move(self, place: Place, directory: str) -> None:
        """Move its data to another directory; a primary hands over first where somebody can take over."""

        def whole() -> None:
            others = [each for each in self._place.get("servers", []) if each != self._place["address"]]
            found = {each: self._at(each).info("replication") for each in others}
            away = [each for each, info in found.items() if not is_primary(info) and not follows(info)]
            if away:
                raise HostError(alone(self.name, away))

        def ready() -> None:
            whole()
            if is_primary(self.valkey.info("replication")) and self._place["sentinels"]:
                self.hand_over("")
                self._await()

        whole()
        place.move(directory, ready, lambda: self._start("start"))
        self._await()

    def strangers(self) -> list[str]:
        """Addresses of replicas that are none of the group's servers any more; on a replica none."""
        own = self._place.get("servers", [])
        return sorted(each["ip"] for each in self._replicas() if each["ip"] not in own)

    def behind(self) -> int | None:
        """Bytes of the primary's log that a replica has not applied; None when nobody can tell."""
        own = self.valkey.info("replication")
        if not follows(own):
            return None
        primary = self._at(own["master_host"]).info("replication")
        if not is_primary(primary):
            return None
        return max(0, int(primary["master_repl_offset"]) - int(own["slave_repl_offset"]))

    def leave(self) -> None:
        """End a replica for good, and have the Sentinels forget it, one after the other. Its data stay."""
        if is_primary(self.valkey.info("replication")):
            raise HostError(f"{self.name}: this server is primary; longshore db switchover first")
        run(["systemctl", "disable", "--quiet", "--now", self.unit])
        watching = self._watching()
        for address in watching:
            self._work.check()
            sentinel = self._sentinel_at(address)
            replicas = int(sentinel.pairs("SENTINEL", "MASTER", self.name)["num-slaves"]) - 1
            relearn(sentinel, self.name, len(watching) - 1, replicas, self._work)

    def copy_anew(self, check: bool) -> None:
        """Have a replica copy the primary's data; its own are put aside. Raises ``HostError`` where there is none."""
        primary = self.primary()
        if primary in ("", self._place["address"]):
            # Who starts without data as primary has the others forget theirs.
            words = "this server is primary" if primary else "there is no primary whose data could be copied"
            raise HostError(f"{self.name}: {words}; see longshore db status")
        if check:
            return
        home = f"{DATA}/{self.name}"
        aside = f"{home}/{time.strftime(ASIDE, time.gmtime())}"
        # Before it is stopped: on a full disk it goes on as it is.
        os.mkdir(aside, 0o750)
        os.chown(aside, *_owner(home))
        with self._work.to_the_end():
            run(["systemctl", "stop", self.unit], timeout=STOPPING)
            for entry in os.listdir(home):
                if not entry.startswith("former-"):
                    os.rename(f"{home}/{entry}", f"{aside}/{entry}")
            self._start("start")
        self._await()

    def promote(self, check: bool) -> bool:
        """Become primary where nobody is: what only the lost one has is lost. Whether it was none before.

        A Sentinel does it that asks no other; they hear of it when they are back. Raises ``HostError`` when there is a
        primary, or no Sentinel that answers.
        """
        own = self._place["address"]
        if self._leads(own):
            return False
        # A replica without its primary answers few questions: this is one of them, PING is not.
        if not self.valkey.info("replication"):
            raise HostError(f"{self.name}: no answer on this server; it starts once most Sentinels say who is primary")
        if check:
            return True
        sentinel = self._sentinel()
        with self._preferred(own, sentinel):
            # Sentinels may have agreed on somebody meanwhile.
            if not self._leads(own):
                self._fail_over(sentinel)
                until(lambda: is_primary(self.valkey.info("replication")), HANDING_OVER, self._work)
        return True

    def _leads(self, address: str) -> bool:
        """Whether this one is primary. Raises ``HostError`` when another one is."""
        primary = self.primary()
        if primary not in ("", address):
            raise HostError(f"{self.name} has a primary, {primary}; let it hand over: longshore db switchover")
        return primary == address

    def primary(self) -> str:
        """The address of the server that is primary and answers; empty when there is none."""
        for address in self._place.get("servers", []):
            if is_primary(self._at(address).info("replication")):
                return str(address)
        return ""

    @contextlib.contextmanager
    def _preferred(self, address: str, sentinel: Valkey) -> Iterator[None]:
        """Have a Sentinel choose this replica meanwhile: by its priority, of which it hears every ten seconds."""
        other = self._at(address)
        before = other.pairs("CONFIG", "GET", PRIORITY)[PRIORITY]
        other.ask("CONFIG", "SET", PRIORITY, "1")
        try:
            until(lambda: self._knows(sentinel, address), LEARNING, self._work)
            yield
        finally:
            other.ask("CONFIG", "SET", PRIORITY, before)

    def _watching(self) -> list[str]:
        """Addresses of the Sentinels that watch it now; those of this server's file may be others by now."""
        for address in self._place["sentinels"]:
            try:
                known = self._sentinel_at(address).listed("SENTINEL", "SENTINELS", self.name)
            except HostError:
                continue
            # One of them may be a Sentinel that has just been told to watch it no more, or be away.
            return [address, *filter(self._watched_by, known)]
        return []

    def _watched_by(self, address: str) -> bool:
        try:
            return bool(self._primary(self._sentinel_at(address)))
        except HostError:
            return False

    def _sentinel_at(self, address: str) -> Valkey:
        return Valkey.at(address, SENTINEL_PORT, self._place["authority"], "peer", self._place["peer"])

    def hand_over(self, to: str) -> str:
        """Have a replica become primary: the one at the address ``to``, or the best. Gives its address.

        Nothing is lost: no writes are taken until it has all of them. Raises ``HostError`` when there is none.
        """

        def able() -> list[dict[str, str]]:
            return [each for each in self._replicas() if not to or each["ip"] == to]

        try:
            # One that has just been restarted needs a moment.
            until(lambda: bool(able()), FOLLOWING, self._work)
        except HostError as error:
            words = f"{to} does not follow" if to else "no replica follows"
            raise HostError(f"{self.name}: {words}, so nobody can take over; see longshore db status") from error
        replicas = able()
        sentinel = self._sentinel()
        chosen = to or replicas[0]["ip"]
        with self._preferred(chosen, sentinel):
            self._switch(sentinel, chosen)
        return chosen

    def _switch(self, sentinel: Valkey, chosen: str) -> None:
        """Become a replica of the one that was chosen, as soon as a Sentinel says that it is primary.

        A Sentinel would tell a former primary after eight seconds only, and not at all while writes wait: it says
        hello by the same connection, with a PUBLISH, which waits like a write.
        """
        other = self._at(chosen)
        with self._work.to_the_end():
            self.valkey.ask("CLIENT", "PAUSE", str(PAUSE), "WRITE")
            try:
                own = self.valkey.info("replication")
                if not is_primary(own):
                    raise HostError(f"{self.name}: this server is primary no more, or does not answer")
                until(lambda: _has(other, int(own["master_repl_offset"])), CATCHING_UP, self._work)
                self._fail_over(sentinel)
                until(lambda: self._primary(sentinel) == chosen, HANDING_OVER, self._work)
                self.valkey.ask("REPLICAOF", chosen, str(self._place["port"]))
                # What waits would be refused by a replica; who connects anew is led to the primary.
                self.valkey.ask("CLIENT", "KILL", "TYPE", "normal")
            finally:
                self.valkey.ask("CLIENT", "UNPAUSE")

    def _replicas(self) -> list[dict[str, str]]:
        """Those that follow, the one with the most first: ``ip``, ``port``, ``state``, ``offset``."""
        info = self.valkey.info("replication")
        found = [
            dict(pair.split("=", 1) for pair in value.split(","))
            for key, value in info.items()
            if key.startswith("slave") and "=" in value
        ]
        return sorted(
            (each for each in found if each.get("state") == "online"), key=lambda each: -int(each.get("offset", "0"))
        )

    def _at(self, address: str) -> Valkey:
        place = self._place
        return Valkey.at(address, place["port"], place["authority"], "admin", place["admin"])

    def _sentinel(self) -> Valkey:
        for address in self._place["sentinels"]:
            found = self._sentinel_at(address)
            if found.answers():
                return found
        raise HostError(f"{self.name}: no Sentinel answers, of {', '.join(self._place['sentinels'])}")

    def _primary(self, sentinel: Valkey) -> str:
        return next(iter(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)), "")

    def _knows(self, sentinel: Valkey, address: str) -> bool:
        """Whether a Sentinel hears from a replica, and knows that it is to be preferred."""
        for each in sentinel.records("SENTINEL", "REPLICAS", self.name):
            if each["ip"] == address:
                heard = not UNHEARD & set(each["flags"].split(",")) and int(each["last-ok-ping-reply"]) < ANSWERED
                return heard and each["slave-priority"] == "1"
        return False

    def _fail_over(self, sentinel: Valkey) -> None:
        """Have a Sentinel promote somebody, as soon as it knows somebody who is able to."""

        def accepted() -> bool:
            try:
                sentinel.ask("SENTINEL", "FAILOVER", self.name)
            except HostError as error:
                if NOBODY_YET not in str(error):
                    raise
                return False
            return True

        until(accepted, ACCEPTING, self._work)

    def _start(self, verb: str) -> None:
        self._record()
        run(["systemctl", "enable", "--quiet", self.unit])
        run(["systemctl", verb, "--no-block", self.unit])

    def _await(self) -> None:
        """Wait until it serves: as a primary, or with all of its primary's data."""

        def serves() -> bool:
            info = self.valkey.info("replication")
            return is_primary(info) or follows(info)

        try:
            until(serves, self._deadline, self._work)
        except HostError as error:
            _code, log, _error = attempt(["journalctl", "--no-pager", "-o", "cat", "-n", "8", "-u", self.unit])
            words = " | ".join(line.strip() for line in last_lines(log).splitlines())
            raise HostError(
                f"{self.name} does not serve after {self._deadline:.0f} s. Its log ends: {words}"
            ) from error

    def _take(self) -> bool:
        """Tell it what its files say. Whether it took all of it."""
        self.valkey.ask("ACL", "LOAD")
        wanted = spaced(read(f"/etc/valkey/{self.name}.conf"))
        # Nobody but a new process knows what one is that the file names no more.
        whole = set(read(self._applied).split()[1:]) <= set(wanted)
        for key, value in wanted.items():
            whole &= self._set(key, value)
        if whole:
            self._record()
        return whole

    def _record(self) -> None:
        """Keep what it runs with: the digest of its files, and which settings these name."""
        names = " ".join(spaced(read(f"/etc/valkey/{self.name}.conf")))
        replace(self._applied, f"{self.digest()}\n{names}\n".encode(), 0o600, _owner(f"{DATA}/{self.name}"))

    def _set(self, key: str, value: str) -> bool:
        try:
            self.valkey.ask("CONFIG", "SET", key, last=value)
        except HostError as error:
            if not only_at_a_start(str(error)):
                raise HostError(f"{self.name} refuses {key}: {error}") from error
            return self.valkey.pairs("CONFIG", "GET", key).get(key, "") == value
        return True


def _has(replica: Valkey, offset: int) -> bool:
    """Whether a replica has the primary's log up to there."""
    return int(replica.info("replication").get("slave_repl_offset", "-1")) >= offset


def _owner(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_uid, found.st_gid
