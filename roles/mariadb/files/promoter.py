# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by the role longshore.stack.mariadb: changes are lost.
"""Decides which server of a group of MariaDB servers takes writes, by etcd.

    mariadb-promoter run NAME                  looks after the instance of this server, as long as it is told to
    mariadb-promoter prepare NAME              gives the instance its data before it starts: a copy, or a new database
    mariadb-promoter fence NAME                takes no more writes
    mariadb-promoter order NAME ORDER [SERVER] switchover, promote, resync or forget; tells how it went as JSON

``/etc/mysql/instances/NAME.json`` says who the servers are. docs/decisions/0009-mariadb-promoter.md says why, and what
is promised. In short:

- One record in etcd names the leader. It renews the record by compare-and-swap. Whoever sees it unchanged for ``ttl``
  seconds of its own clock may replace it; the leader itself stops to take writes earlier, ``MARGIN`` seconds before.
- Each member tells in a record of its own how far it is. Before anybody takes over, the others stop to read from the
  lost leader and say so ("frozen"): what they have is then final, and they confirm nothing any more.
- With ``synchronous`` a replica confirms commits only while the leader's record names it; so whoever may have
  confirmed one is known, and nobody takes over before all of these were heard.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.client
import http.server
import ipaddress
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mariadb_events

# How data that were put aside are called.
ASIDE = "former-%Y%m%d-%H%M%S"
INSTANCES = Path("/etc/mysql/instances")
DATA = Path("/var/lib/mariadb")
# Seconds. How often to look; how often at least to say that one is there; how long before its end a lease is of no use
# any more, for the slowest way to stop writes and for clocks that run unlike.
ROUND, BEAT, MARGIN = 0.5, 1.0, 1.5
# Seconds for which those of a group without synchronous commits wait for each other's positions.
GRACE = 2.0
# Seconds after etcd was away in which the leader may come back before anybody takes over.
RETURN = 2.0
# Seconds until SQL answers, and until a primary has stopped to take writes.
PATIENCE, FENCING = 5.0, 1.0
# Seconds until a replica has stopped to read, from a primary that may not answer.
STOPPING = 30.0
# Seconds for a switchover, and for what was ordered.
HANDING_OVER, ORDER = 8.0, 30.0
# Seconds in which a replica that was just started says that it follows; each tells its state at least so often.
FOLLOWING = 4.0
# Seconds between two copies that a replica makes by itself.
AGAIN = 60.0
# Seconds that a replica may be behind to be asked for reads.
LAG = 10
# Transactions that a replica may be behind to confirm commits.
NEAR = 10000
# The leader does not have what the replica asks for: the replica has transactions of its own, or was away for too long.
_LOST_TRACK = (1236, 1950)
# These are ours: they go on when nobody else may write.
_OWN_USERS = "'system user', 'event_scheduler', 'root', 'mysql', 'replication', 'replication_2'"


# ---------------------------------------------------------------------------------------------------------------------
# Who may take over: pure.


def sequence(gtid: str) -> int:
    """How far a position is: its number in the domain 0, in which all of a group write."""
    for each in (gtid or "").split(","):
        words = each.strip().split("-")
        if len(words) == 3 and words[0] == "0":
            return int(words[2])
    return 0


@dataclass(frozen=True)
class Choice:
    """Who takes over (empty: nobody yet), and why nobody does."""

    name: str = ""
    why: str = ""


def successor(  # noqa: PLR0917 - each is a subject of its own
    leader: dict[str, Any],
    revision: int,
    members: dict[str, dict[str, Any]],
    servers: list[str],
    synchronous: bool,
    waited: float,
) -> Choice:
    """Who replaces the lost ``leader``, whose record has ``revision``.

    ``members`` are the others' records, and the lost one's where it runs and takes no writes; ``servers`` are all of
    the group in order, ``waited`` is for how many seconds this one has been frozen.
    """
    former = leader.get("name") or leader.get("former", "")
    heard = {name: each for name, each in members.items() if each.get("frozen") == revision}
    able = {name: each for name, each in heard.items() if _able(name, each, leader, former)}
    if not leader.get("open", True):
        # Nothing was written in this term; whoever has all of the former is good.
        able = {name: each for name, each in able.items() if each["position"] >= leader.get("base", 0)}
    elif synchronous and former not in able:
        acks = leader.get("acks") or {}
        if not leader.get("synced") or not acks:
            return Choice(why=f"no other server was sure to have all that {former} had committed")
        silent = sorted(name for name, stream in acks.items() if able.get(name, {}).get("stream") != stream)
        if silent:
            return Choice(why=f"{', '.join(silent)} may have what others have not, and can't be asked")
    elif waited < GRACE and any(name not in heard for name in servers if name != former):
        return Choice(why="waiting for the others")
    listed = [name for name in servers if name in able]
    if not listed:
        return Choice(why="no server that followed the leader is there")
    best = max(listed, key=lambda name: (able[name]["position"], name == former, -servers.index(name)))
    more = sorted(name for name in able if able[name]["position"] > able[best]["position"])
    if more:
        # Left out of the file, and not removed yet.
        return Choice(why=f"{', '.join(more)} has more than the others, and is no server of the database any more")
    return Choice(best)


def _able(name: str, member: dict[str, Any], leader: dict[str, Any], former: str) -> bool:
    """Whether a member's position can be compared with the others': it has nothing that the leader had not."""
    if member.get("state") == "broken":
        return False
    terms = [leader["term"]] if leader.get("open", True) else [leader["term"], leader["term"] - 1]
    return name == former or member.get("term") in terms


def first(members: dict[str, dict[str, Any]], servers: list[str], me: str, fresh: bool) -> Choice:
    """Who begins where nobody was leader before; ``fresh``: this server's database was just made, and by it."""
    others = [name for name, each in members.items() if name != me and name in servers]
    if fresh and not others:
        return Choice(me)
    frozen = {name: each for name, each in members.items() if each.get("frozen") == 0 and name in servers}
    silent = [name for name in servers if name not in frozen]
    if silent:
        return Choice(why=f"nobody remembers who was primary, and {', '.join(silent)} can't be asked")
    return Choice(max(servers, key=lambda name: (frozen[name]["position"], -servers.index(name))))


@dataclass(frozen=True)
class Confirming:
    """Who may confirm commits (name → stream), whether these have all of them, and whether commits wait for them."""

    acks: dict[str, str]
    synced: bool
    waiting: bool


def confirming(  # noqa: PLR0917 - each is a subject of its own
    now: Confirming,
    members: dict[str, dict[str, Any]],
    gone: dict[str, int],
    term: int,
    position: int,
    since: int | None,
    strict: bool,
) -> Confirming:
    """The next step towards commits that a second server has, of those that a leader's record tells.

    ``members`` are the records of others that were heard of lately. ``gone`` are those that surely confirm nothing any
    more, with the leader's position when that was seen; ``position`` is its own now, ``since`` the one from which on
    all commits have waited (None: they don't).
    """
    near = {
        name: each["stream"]
        for name, each in members.items()
        if each.get("state") == "streaming" and each.get("term") == term and each["position"] >= position - NEAR
    }
    staying = {name: stream for name, stream in now.acks.items() if name not in gone}
    if now.synced:
        if staying != now.acks:
            needed = max(gone[name] for name in now.acks if name in gone)
            if staying and not any(_has(members, name, needed) for name in staying):
                # What only the lost one has confirmed has to be somewhere else first.
                staying = now.acks
            elif not staying and strict:
                # Nobody confirms; nothing is committed until somebody is back.
                return Confirming(near or now.acks, not near, True)
        if not staying:
            return Confirming({}, False, False)
        return Confirming({**staying, **{name: near[name] for name in near if name not in staying}}, True, True)
    acks = {**staying, **near}
    if not acks:
        return Confirming({}, False, strict)
    ready = {name: members[name] for name in acks if members.get(name, {}).get("acks")}
    if not ready:
        return Confirming(acks, False, strict)
    done = since is not None and any(_has(members, name, since) for name in ready)
    return Confirming(acks, done, True)


def _has(members: dict[str, dict[str, Any]], name: str, position: int) -> bool:
    return members.get(name, {}).get("position", -1) >= position


# ---------------------------------------------------------------------------------------------------------------------
# The instance of this server.


class SqlError(Exception):
    """What the server said; ``code`` is its number."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"{words} ({code})")
        self.code = code


class Session:
    """A connection by the local socket, as the user who runs this: no password is needed."""

    def __init__(self, path: str, timeout: float = PATIENCE, process: str = "") -> None:
        self.process = process
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(path)
            self._stream = self._socket.makefile("rb")
            self._greet()
        except BaseException:
            self._socket.close()
            raise

    def _greet(self) -> None:
        number, _hello = self._read()
        # Protocol 4.1, its passwords, transactions, and the name of the way to log in.
        capabilities = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x80000
        answer = struct.pack("<IIB23x", capabilities, 1 << 24, 45) + b"mysql\0" + b"\0" + b"mysql_native_password\0"
        self._write(number + 1, answer)
        while True:
            number, packet = self._read()
            if packet[0] == 0xFE:
                self._write(number + 1, b"")
            elif self._good(packet):
                return

    def query(self, text: str, timeout: float = PATIENCE) -> list[dict[str, str]]:
        """The rows of an answer, name → text; NULL is an empty text. Raises ``SqlError``, or ``OSError``."""
        self._socket.settimeout(timeout)
        self._write(0, b"\x03" + text.encode())
        _number, packet = self._read()
        if packet[0] in (0x00, 0xFF):
            self._good(packet)
            return []
        names = []
        while not self._end(packet := self._read()[1]):
            columns, at = [], 0
            for _each in range(5):
                value, at = _text(packet, at)
                columns.append(value)
            names.append(columns[4])
        rows = []
        while not self._end(packet := self._read()[1]):
            if packet[0] == 0xFF:
                self._good(packet)
            values, at = [], 0
            while at < len(packet):
                value, at = _text(packet, at)
                values.append(value)
            rows.append(dict(zip(names, values)))
        return rows

    def close(self) -> None:
        """Be done with it."""
        self._socket.close()

    def _write(self, number: int, body: bytes) -> None:
        self._socket.sendall(struct.pack("<I", len(body))[:3] + bytes([number & 0xFF]) + body)

    def _read(self) -> tuple[int, bytes]:
        head = self._stream.read(4)
        if head is None or len(head) < 4:
            raise ConnectionResetError("closed")
        body = self._stream.read(int.from_bytes(head[:3], "little"))
        return head[3], body or b"\0"

    @staticmethod
    def _end(packet: bytes) -> bool:
        return packet[0] == 0xFE and len(packet) < 9

    @staticmethod
    def _good(packet: bytes) -> bool:
        if packet[0] != 0xFF:
            return True
        words = packet[3:].decode(errors="replace")
        raise SqlError(int.from_bytes(packet[1:3], "little"), words[6:] if words.startswith("#") else words)


def _text(packet: bytes, at: int) -> tuple[str, int]:
    """A text whose length stands before it, and where the next one begins."""
    size = packet[at]
    if size == 0xFB:
        return "", at + 1
    width = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(size, 0)
    if width:
        size = int.from_bytes(packet[at + 1 : at + 1 + width], "little")
    begin = at + 1 + width
    return packet[begin : begin + size].decode(errors="replace"), begin + size


@dataclass
class Settings:
    """What the file of an instance says."""

    instance: str
    name: str
    port: int
    health_port: int
    servers: dict[str, str]
    etcd: list[str]
    synchronous: bool | str
    # With which it asks another one for its log.
    user: str
    password: str
    authority: str
    certificate: str
    key: str
    ttl: float
    keeper: str = ""
    events: bool = False

    @classmethod
    def of(cls, instance: str) -> Settings:
        """Read it."""
        found = json.loads((INSTANCES / f"{instance}.json").read_text(encoding="utf-8"))
        names = cls.__dataclass_fields__
        servers = {each["name"]: each["address"] for each in found["servers"]}
        return cls(**{**{key: found[key] for key in names if key in found}, "instance": instance, "servers": servers})

    def reload(self) -> None:
        """Read it again: whoever has this has what is new."""
        self.__dict__.update(Settings.of(self.instance).__dict__)

    @property
    def address(self) -> str:
        """This server's."""
        return self.servers[self.name]

    @property
    def alone(self) -> bool:
        """Whether there is nobody to agree with."""
        return len(self.servers) == 1

    @property
    def socket(self) -> str:
        """Where the instance listens for this server's own."""
        return f"/run/mariadb-{self.instance}/mariadb.sock"

    @property
    def home(self) -> Path:
        """The directory of its data."""
        return DATA / self.instance

    def context(self) -> ssl.SSLContext:
        """Whom to trust, and who we are, as a client."""
        made = ssl.create_default_context(cafile=self.authority)
        made.load_cert_chain(self.certificate, self.key)
        return made


class Instance:
    """The MariaDB of this server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: Session | None = None

    def sql(self, text: str, timeout: float = PATIENCE) -> list[dict[str, str]]:
        """The rows of an answer. Raises ``SqlError``, or ``OSError`` when there is none."""
        if self._session is not None and self._session.process != self.process():
            self.close()
        try:
            if self._session is None:
                self._session = Session(self._settings.socket, timeout, self.process())
            return self._session.query(text, timeout)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Connect anew with the next query."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def process(self) -> str:
        """Stands for the process that runs now; empty when there is none. A restarted one has lost its relay log."""
        try:
            pid = Path(f"/run/mariadb-{self._settings.instance}/mariadb.pid").read_text(encoding="ascii").strip()
            started = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]
        except (OSError, IndexError):
            return ""
        return f"{pid}-{started}"

    def kill(self) -> None:
        """End its process at once: the last way to stop it from taking writes."""
        pid = self.process().partition("-")[0]
        if pid:
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)

    def values(self) -> dict[str, str]:
        """Where it is: variables, and the status as a replica under its own names."""
        found = self.sql(
            "select @@global.read_only read_only, @@global.gtid_binlog_pos written, @@global.gtid_current_pos current, "
            "@@global.gtid_slave_pos applied, @@global.rpl_semi_sync_master_enabled waits, "
            "@@global.rpl_semi_sync_slave_enabled confirms, @@global.event_scheduler scheduler"
        )[0]
        return {**found, **(self.sql("show slave status") or [{}])[0]}

    def stop_writes(self, timeout: float) -> None:
        """Take no more writes, and end who was connected. Raises ``SqlError`` or ``OSError`` when it does not work."""
        until = time.monotonic() + timeout
        if self._settings.events:
            self.sql("set global event_scheduler = off", timeout)
        self.kill_users(timeout)
        # It waits for commits under way, which may wait for a replica; those that are killed do not.
        self.sql("set global read_only = 1", max(0.1, until - time.monotonic()))
        self.kill_users(max(0.1, until - time.monotonic()))

    def schedule(self, values: dict[str, str]) -> None:
        """Where it takes writes: have events run at their times, or none, as the settings want."""
        wanted = "ON" if self._settings.events else "OFF"
        if values["scheduler"] != wanted:
            self.sql(f"set global event_scheduler = {wanted}")

    def kill_users(self, timeout: float) -> None:
        """End the sessions of all but our own."""
        text = f"select id from information_schema.processlist where user not in ({_OWN_USERS})"  # noqa: S608 - our own
        for row in self.sql(text, timeout):
            with contextlib.suppress(SqlError):
                self.sql(f"kill connection {row['id']}", timeout)


def position_of(values: dict[str, str]) -> int:
    """How far a server is with what it has, applied or not yet."""
    own = max(sequence(values["current"]), sequence(values["written"]))
    # What was read but not applied counts while somebody applies it: a stopped one forgets it.
    read = sequence(values.get("Gtid_IO_Pos", "")) if values.get("Slave_SQL_Running") == "Yes" else 0
    return max(own, read)


# ---------------------------------------------------------------------------------------------------------------------
# etcd.


class EtcdError(Exception):
    """No member answers, or not as it should."""


@dataclass
class Record:
    """A value in etcd, its revision, and since when this server has seen that one."""

    value: dict[str, Any]
    revision: int
    since: float = field(default_factory=time.monotonic)


class Etcd:
    """etcd's JSON interface, for the keys of one group."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._members = list(settings.etcd)
        self._prefix = f"/longshore/mariadb/{settings.instance}/"
        self._connection: http.client.HTTPSConnection | None = None
        self.known: dict[str, Record] = {}

    def look(self) -> dict[str, Record]:
        """All records by name; each remembers since when it is as it is."""
        end = self._prefix[:-1] + chr(ord(self._prefix[-1]) + 1)
        answer = self._ask("/v3/kv/range", {"key": _encode(self._prefix), "range_end": _encode(end)})
        found = {}
        for each in answer.get("kvs", []):
            name = base64.b64decode(each["key"]).decode()[len(self._prefix) :]
            revision = int(each["mod_revision"])
            before = self.known.get(name)
            if before is None or before.revision != revision:
                before = Record(json.loads(base64.b64decode(each.get("value", ""))), revision)
            found[name] = before
        self.known = found
        return found

    def put(self, name: str, value: dict[str, Any]) -> None:
        """Write a record of one's own."""
        self._ask("/v3/kv/put", {"key": self._key(name), "value": _encode(json.dumps(value))})

    def delete(self, name: str) -> None:
        """Take a record away."""
        self._ask("/v3/kv/deleterange", {"key": self._key(name)})

    def swap(self, name: str, revision: int, value: dict[str, Any]) -> int:
        """Replace a record that still has this revision (0: that is not there); gives the new one, 0 if it has not."""
        key = self._key(name)
        answer = self._ask(
            "/v3/kv/txn",
            {
                "compare": [{"key": key, "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}],
                "success": [{"requestPut": {"key": key, "value": _encode(json.dumps(value))}}],
            },
        )
        return int(answer["header"]["revision"]) if answer.get("succeeded") else 0

    def _key(self, name: str) -> str:
        return _encode(self._prefix + name)

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        words = "no member is known"
        until = time.monotonic() + 2.0
        for _each in range(len(self._members) + 1):
            if time.monotonic() > until:
                break
            try:
                return self._once(path, body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                words = f"{self._members[0]}: {error}"
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
                self._members.append(self._members.pop(0))
        raise EtcdError(words)

    def _once(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if self._connection is None:
            place = urlsplit(f"//{self._members[0]}")
            self._connection = http.client.HTTPSConnection(
                str(place.hostname), place.port or 2379, timeout=1.0, context=self._settings.context()
            )
        self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise OSError(f"HTTP {answer.status} {content[:200].decode(errors='replace')}")
        found: dict[str, Any] = json.loads(content)
        return found


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# ---------------------------------------------------------------------------------------------------------------------
# What stops writes when nobody else does.


class Guard:
    """Lets the instance take writes until a moment, and stops them then, whatever the rest of the program does."""

    def __init__(self, settings: Settings) -> None:
        self._instance = Instance(settings)
        self._lock = threading.Lock()
        self._until: float | None = None

    @property
    def open(self) -> bool:
        """Whether it takes writes."""
        until = self._until
        return until is not None and time.monotonic() < until

    def extend(self, until: float) -> None:
        """Let it take writes until then; no matter if it does not yet."""
        with self._lock:
            if self._until is not None:
                self._until = until

    def begin(self, until: float) -> None:
        """Have it take writes, until then."""
        with self._lock:
            if time.monotonic() < until:
                self._instance.sql("set global read_only = 0")
                self._until = until

    def end(self, timeout: float = FENCING, *, gently: bool = False) -> bool:
        """Have it take none any more; ``gently``: not at any price. Whether it takes none."""
        with self._lock:
            return self._end(timeout, gently=gently)

    def _end(self, timeout: float, *, gently: bool = False) -> bool:
        try:
            self._instance.stop_writes(timeout)
        except (OSError, SqlError) as error:
            self._instance.close()
            if gently:
                say(f"can't stop writes: {error}")
                return False
            if self._instance.process():
                say(f"can't stop writes, so the instance is killed: {error}")
                self._instance.kill()
        self._until = None
        return True

    def watch(self) -> None:
        """Forever."""
        while True:
            notify("WATCHDOG=1")
            with self._lock:
                if self._until is not None and time.monotonic() >= self._until:
                    say("the lease is over: no more writes")
                    self._end(FENCING)
            time.sleep(0.1)


class Confirmer:
    """Has a replica confirm commits until a moment: later the others can't know that it does.

    Not in the guard's thread: a replica that stops to read may take seconds when its primary does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._instance = Instance(settings)
        self._lock = threading.Lock()
        self._until: float | None = None

    def set(self, may: bool, until: float) -> None:
        """Confirm until then, or not at all."""
        with self._lock:
            self._set(may)
            self._until = until if may else None

    def _set(self, may: bool) -> None:
        # The thread that applies runs on: else it forgot what was read.
        self._instance.sql("stop slave io_thread", STOPPING)
        self._instance.sql(f"set global rpl_semi_sync_slave_enabled = {int(may)}")
        self._instance.sql("start slave io_thread")

    def freeze(self) -> None:
        """Read and confirm nothing more, until something else is said."""
        with self._lock:
            self._instance.sql("stop slave io_thread", STOPPING)
            self._instance.sql("set global rpl_semi_sync_slave_enabled = 0")
            self._until = None

    def extend(self, until: float) -> None:
        """Until then, if at all."""
        with self._lock:
            if self._until is not None:
                self._until = until

    def watch(self) -> None:
        """Forever."""
        while True:
            with self._lock:
                if self._until is not None and time.monotonic() >= self._until:
                    say("etcd is away: confirms no commits meanwhile")
                    self._until = None
                    with contextlib.suppress(SqlError, OSError):
                        self._set(False)
            time.sleep(0.1)


# ---------------------------------------------------------------------------------------------------------------------
# The program that runs.


class Promoter:
    """Looks after the instance of this server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.me = settings.name
        self.instance = Instance(settings)
        self.guard = Guard(settings)
        self.confirmer = Confirmer(settings)
        self.etcd = None if settings.alone else Etcd(settings)
        self.woken = threading.Event()
        self.ending = self.reloading = False
        # What the health checks and people are told.
        self.state: dict[str, Any] = {"role": "", "state": "starting"}
        self._told: dict[str, Any] = {}
        self._told_at = 0.0
        self._ordered = ("", 0.0)
        self._frozen_since: float | None = None
        self._seen_at = 0.0
        self._return_until = 0.0
        self._term = -1  # of the leader that is followed
        self._joined: int | None = None  # the last term in which it got what its leader wrote
        self._rounds = 0  # in which it did, one after the other
        self._renewed_at = 0.0
        self._waits_since: int | None = None
        self._gone: dict[str, int] = {}
        self._position = -1  # in the round before
        self._events = mariadb_events.Events()
        self._said = ""

    @property
    def store(self) -> Etcd:
        """Where a group agrees."""
        if self.etcd is None:
            raise EtcdError("there is nobody to agree with")
        return self.etcd

    def run(self) -> None:
        """Until it is told to end."""
        while not self.ending:
            began = time.monotonic()
            if self.reloading:
                self.reload()
            try:
                hurry = self.alone() if self.etcd is None else self.together()
            except (EtcdError, SqlError, OSError) as error:
                self.once(f"waiting: {error}")
                if isinstance(error, SqlError):
                    self.instance.close()
                if not isinstance(error, EtcdError) and not self.instance.process():
                    self.lost_instance()
                hurry = False
            spent = time.monotonic() - began
            self.woken.wait(max(0.05, (0.1 if hurry else ROUND) - spent))
            self.woken.clear()
        self.leave()

    def reload(self) -> None:
        """Take new settings without an interruption."""
        self.reloading = False
        self.settings.reload()
        self.etcd = None if self.settings.alone else Etcd(self.settings)
        say("has read its settings again")

    def alone(self) -> bool:
        """The only server of its database."""
        values = self.instance.values()
        # With it a group begins, when there are more servers one day.
        (self.settings.home / "data/longshore-new").touch()
        if values["read_only"] == "1" or not self.guard.open:
            self.guard.begin(float("inf"))
            say("takes writes")
        self.instance.schedule(values)
        self.state = {"role": "primary", "state": "running", "term": 0, "lag": None, "position": position_of(values)}
        return False

    def together(self) -> bool:
        """One round of a server among others; whether the next one is to follow soon."""
        records = self.store.look()
        now = time.monotonic()
        if now - self._seen_at > RETURN:
            self._return_until = now + RETURN
        self._seen_at = now
        values = self.instance.values()
        leader, own = records.get("leader"), records.get(f"member/{self.me}")
        if not self._told and own is not None:
            self._joined = own.value["term"]
        members = {name[len("member/") :]: each.value for name, each in records.items() if name.startswith("member/")}
        if leader is not None and leader.value["name"] == self.me:
            return self.lead(leader, records, values)
        if self.guard.open or values["read_only"] != "1":
            say(f"{leader.value['name'] if leader else 'nobody'} is primary now")
            self.guard.end()
        if leader is not None and leader.value["name"] and now - leader.since < self.settings.ttl:
            return self.follow(leader, values)
        return self.elect(leader, members, records, values)

    # -- a replica

    def follow(self, leader: Record, values: dict[str, str]) -> bool:
        """Have it get what the leader writes."""
        value = leader.value
        self._frozen_since = None
        address = self.settings.servers.get(value["name"], "")
        # One that applies what it has read is left alone where it can be: it would forget that, and read it again.
        lost = values.get("Slave_SQL_Running") != "Yes" and not int(values.get("Last_SQL_Errno") or 0)
        other = values.get("Master_Host") != address or values.get("Master_User") != self.settings.user
        if other or lost:
            self.attach(address)
            values = self.instance.values()
        if self._term != value["term"]:
            self._term, self._rounds = value["term"], 0
            say(f"follows {value['name']}, term {value['term']}")
        code = int(values.get("Last_IO_Errno") or 0) or int(values.get("Last_SQL_Errno") or 0)
        if code in _LOST_TRACK and value.get("open") and not self.copied_lately():
            self.copy_anew(f"{values.get('Last_IO_Error')}{values.get('Last_SQL_Error')}")
        reads = values.get("Slave_IO_Running") == "Yes"
        self._rounds = self._rounds + 1 if reads else 0
        if self._rounds > 1:
            # It may be connected for a moment before the leader finds that it has nothing for it.
            self._joined = value["term"]
        if values.get("Slave_IO_Running") == "No" and code not in _LOST_TRACK:
            self.instance.sql("start slave io_thread")
        state = "broken" if values.get("Slave_SQL_Running") != "Yes" else "streaming" if self._rounds > 1 else "waiting"
        may = (value.get("acks") or {}).get(self.me) == self.instance.process() and state == "streaming"
        if may != (values["confirms"] == "1"):
            self.confirmer.set(may, self._told_at + self.settings.ttl - MARGIN)
        lag = values.get("Seconds_Behind_Master")
        self.state = {
            "role": "replica",
            "state": state,
            "term": value["term"],
            "seconds": int(lag) if lag else None,
            "lag": max(0, value.get("position", 0) - sequence(values["current"])),
            "position": position_of(values),
            "synchronous": bool(value.get("synced")) and may,
            "why": values.get("Last_SQL_Error") or values.get("Last_IO_Error") or "",
        }
        self.tell(values, state=state, acks=may)
        return state == "waiting"

    def attach(self, address: str) -> None:
        """Follow another leader. What was read from the former one and not applied is read again from this one."""
        settings = self.settings
        self.instance.sql("stop slave", STOPPING)
        seed = settings.home / "data/longshore-position"
        if seed.exists():
            self.instance.sql(f"set global gtid_slave_pos = '{seed.read_text(encoding='ascii').strip()}'")
            seed.unlink()
        else:
            self.instance.sql("set global gtid_slave_pos = @@global.gtid_current_pos")
        self.instance.sql("set global rpl_semi_sync_master_enabled = 0")
        self.instance.sql("set global rpl_semi_sync_slave_enabled = 0")
        self.instance.sql(
            f"change master to master_host = '{address}', master_port = {settings.port}, "
            f"master_user = '{settings.user}', master_password = '{settings.password}', master_use_gtid = slave_pos, "
            f"master_connect_retry = 1, master_heartbeat_period = 1, master_ssl = 1, "
            f"master_ssl_ca = '{settings.authority}', master_ssl_verify_server_cert = 1"
        )
        self.instance.sql("start slave")
        self._rounds = 0

    def copied_lately(self) -> bool:
        """Whether data were put aside a moment ago: another copy would be of no more use, and fill the disk."""
        now = datetime.datetime.now(datetime.timezone.utc)
        for each in self.settings.home.glob("former-*"):
            with contextlib.suppress(ValueError):
                when = datetime.datetime.strptime(f"{each.name} +0000", f"{ASIDE} %z")
                if (now - when).total_seconds() < AGAIN:
                    return True
        return False

    def copy_anew(self, why: str) -> None:
        """Have the unit start again, with a copy of the leader's data; its own are put aside."""
        say(f"can't follow any more, so the leader's data are copied; its own are put aside: {why}")
        (self.settings.home / "copy-anew").touch()
        self.instance.sql("shutdown")
        raise OSError("copies the leader's data")

    # -- nobody leads

    def elect(
        self,
        leader: Record | None,
        members: dict[str, dict[str, Any]],
        records: dict[str, Record],
        values: dict[str, str],
    ) -> bool:
        """Take over, if it is this server's turn."""
        now = time.monotonic()
        if now < self._return_until and leader is not None and leader.value["name"]:
            self.tell(values, state="waiting", acks=False)
            return True
        if values.get("Slave_IO_Running") in ("Yes", "Connecting", "Preparing"):
            self.confirmer.freeze()
            values = self.instance.values()
        if self._frozen_since is None:
            self._frozen_since = now
        revision = leader.revision if leader is not None else 0
        state = "broken" if int(values.get("Last_SQL_Errno") or 0) else "frozen"
        told = self.tell(values, state=state, acks=False, frozen=revision)
        members = {**members, self.me: told}
        servers = list(self.settings.servers)
        if leader is None:
            choice = first(members, servers, self.me, (self.settings.home / "data/longshore-new").exists())
            record: dict[str, Any] = {"term": 1}
        else:
            synchronous, waited = bool(self.settings.synchronous), now - self._frozen_since
            choice = successor(leader.value, revision, members, servers, synchronous, waited)
            record = {"term": leader.value["term"] + 1}
            order = records.get("order")
            if order is not None and _meant(order.value, "promote") and order.value["to"] == self.me:
                say("is told to become primary")
                choice = Choice(self.me)
        self.state = {"role": "replica", "state": state, "why": choice.why, "position": told["position"], "lag": None}
        if choice.why:
            self.once(f"no primary: {choice.why}")
        if choice.name == self.me:
            say(f"becomes primary, term {record['term']}, position {told['position']}")
            record |= {"name": self.me, "beat": 0, "stream": self.instance.process(), "open": False, "acks": {}}
            record |= {"synced": False, "base": told["position"], "position": told["position"]}
            sent = time.monotonic()
            if self.store.swap("leader", revision, record):
                self._renewed_at = sent
        return True

    # -- the leader

    def lead(self, leader: Record, records: dict[str, Record], values: dict[str, str]) -> bool:
        """Keep the lease, and do what a primary has to do."""
        value = leader.value
        process = self.instance.process()
        self._frozen_since, self._term, self._joined = None, -1, value["term"]
        if value["stream"] != process:
            # It was restarted: what it had not yet confirmed is forgotten, and others may have more by now.
            say("was restarted: whoever has the most becomes primary")
            self.guard.end()
            self.release(leader)
            return True
        position = position_of(values)
        changed = {**value, "beat": value["beat"] + 1, "position": position}
        waits, fresh = values["waits"] == "1", self.fresh(records)
        if value["open"] and self.settings.synchronous:
            changed |= self.next_confirming(value, records, position, waits)
        elif value["acks"] or value["synced"]:
            # The file says so no more.
            changed |= {"acks": {}, "synced": False}
            self._waits_since = None
        due = time.monotonic() - self._renewed_at >= BEAT or any(
            changed[key] != value[key] for key in ("acks", "synced")
        )
        if due and not self.renew(leader, changed):
            return True
        if value["open"] and waits and self._waits_since is None:
            # Only now, when nobody takes over any more who does not have all.
            self.instance.sql("set global rpl_semi_sync_master_enabled = 0")
        if not value["open"]:
            return self.promote(leader, values)
        if values["read_only"] == "1" or not self.guard.open:
            self.guard.begin(self._renewed_at + self.settings.ttl - MARGIN)
            say("takes writes")
        self.instance.schedule(values)
        self.state = {
            "role": "primary",
            "state": "running" if self.guard.open else "waiting",
            "term": value["term"],
            "lag": None,
            "position": position,
            "strangers": sorted(name for name in fresh if name not in self.settings.servers),
        }
        self.tell(values, state="running", acks=False)
        if waits and position == self._position and any(each["acks"] for each in fresh.values()):
            self.nudge()
        self._position = position
        self.keep_events(value["term"], records.get("events"))
        order = records.get("order")
        if order is not None:
            self.obey(leader, order.value, records)
        return False

    def nudge(self) -> None:
        """Have something confirmed, where commits wait and nothing comes.

        A replica confirms only what it was sent while it did so. What came before is confirmed by what comes later; and
        that may be nothing, where the only one who writes waits.
        """
        waiting = self.instance.sql("show status like 'Rpl_semi_sync_master_wait_sessions'")
        if not waiting or waiting[0]["Value"] == "0":
            return

        def write() -> None:
            with contextlib.suppress(OSError, SqlError):
                session = Session(self.settings.socket)
                try:
                    session.query("flush user_resources")
                finally:
                    session.close()

        threading.Thread(target=write, daemon=True).start()

    def keep_events(self, term: int, record: Record | None) -> None:
        """Have those run on that ran on the former primary, and the others know which do."""

        def wake(running: Collection[str]) -> bool:
            try:
                with contextlib.closing(Session(self.settings.socket)) as session:
                    return mariadb_events.awake(running, session.query, lambda: self.guard.open)
            except (OSError, SqlError) as error:
                say(f"events don't run yet: {error}")
                return False

        told = self._events.look(term, record.value if record is not None else None, self.instance.sql, wake)
        if told is not None:
            self.store.put("events", told)

    def next_confirming(
        self, leader: dict[str, Any], records: dict[str, Record], position: int, waits: bool
    ) -> dict[str, Any]:
        """What the leader's record is to say of who confirms commits."""
        strict = self.settings.synchronous == "strict"
        fresh = self.fresh(records)
        # One that was left out of the file goes on to confirm, and none begins to.
        able = {name: each for name, each in fresh.items() if name in self.settings.servers or name in leader["acks"]}
        was = Confirming(leader["acks"], leader["synced"], waits)
        since = self._waits_since if waits else None
        after = confirming(was, able, self.gone(leader, fresh, position), leader["term"], position, since, strict)
        if (after.acks, after.synced) != (was.acks, was.synced):
            say(f"{', '.join(after.acks) or 'nobody'} may confirm commits; sure: {after.synced}")
        if not after.waiting:
            self._waits_since = None
        elif since is None or (was.synced and not after.synced):
            self.instance.sql("set global rpl_semi_sync_master_enabled = 1")
            self._waits_since = position_of(self.instance.values())
        return {"acks": after.acks, "synced": after.synced}

    def fresh(self, records: dict[str, Record]) -> dict[str, dict[str, Any]]:
        """The records of others that were heard of lately."""
        now = time.monotonic()
        found = {name[len("member/") :]: each for name, each in records.items() if name.startswith("member/")}
        return {
            name: each.value for name, each in found.items() if name != self.me and now - each.since < self.settings.ttl
        }

    def gone(self, leader: dict[str, Any], fresh: dict[str, dict[str, Any]], position: int) -> dict[str, int]:
        """Those of the leader's record that surely confirm nothing any more, and its position when that was seen."""
        left = [
            name
            for name, stream in leader["acks"].items()
            if name not in fresh or fresh[name]["stream"] != stream or fresh[name]["state"] == "left"
        ]
        self._gone = {name: self._gone.get(name, position) for name in left}
        return self._gone

    def renew(self, leader: Record, changed: dict[str, Any]) -> bool:
        """Write the leader's record; whether it still was this one's."""
        sent = time.monotonic()
        revision = self.store.swap("leader", leader.revision, changed)
        if not revision:
            # The answer may have been lost on its way, and the same was asked twice.
            found = self.store.look().get("leader")
            revision = found.revision if found is not None and found.value == changed else 0
        if not revision:
            say("somebody else is primary now")
            self.guard.end()
            return False
        self._renewed_at = sent
        self.guard.extend(sent + self.settings.ttl - MARGIN)
        leader.value, leader.revision, leader.since = changed, revision, sent
        return True

    def promote(self, leader: Record, values: dict[str, str]) -> bool:
        """Become one that can be written to, once all that was read is applied."""
        if int(values.get("Last_SQL_Errno") or 0):
            say(f"can't become primary: {values['Last_SQL_Error']}")
            self.tell(values, state="broken", acks=False)
            self.release(leader)
            return True
        if values.get("Slave_IO_Running", "No") != "No":
            self.instance.sql("stop slave io_thread", STOPPING)
            values = self.instance.values()
        target = values.get("Gtid_IO_Pos", "") if values.get("Slave_SQL_Running") == "Yes" else ""
        if sequence(target) > sequence(values["current"]):
            waited = self.instance.sql(f"select master_gtid_wait('{target}', 0.5) waited")
            if waited[0]["waited"] != "0":
                self.state = {"role": "replica", "state": "applying", "lag": None, "position": position_of(values)}
                return True
        if values.get("Master_Host"):
            self.instance.sql("stop slave", STOPPING)
            self.instance.sql("reset slave all", 30.0)
        self.instance.sql("set global rpl_semi_sync_slave_enabled = 0")
        strict = self.settings.synchronous == "strict"
        self.instance.sql(f"set global rpl_semi_sync_master_enabled = {int(strict)}")
        self._waits_since = position_of(self.instance.values()) if strict else None
        if self.renew(leader, {**leader.value, "open": True, "beat": leader.value["beat"] + 1}):
            # Routers lead here as soon as it takes writes.
            term, position = leader.value["term"], position_of(values)
            self.state = {"role": "primary", "state": "running", "term": term, "lag": None, "position": position}
            self.guard.begin(self._renewed_at + self.settings.ttl - MARGIN)
            with contextlib.suppress(FileNotFoundError):
                (self.settings.home / "data/longshore-new").unlink()
            say(f"is primary, term {leader.value['term']}")
            self.wake_others()
        return True

    def release(self, leader: Record) -> None:
        """Let somebody else become primary, or this one again: whoever has the most."""
        value = {**leader.value, "name": "", "former": self.me, "beat": leader.value["beat"] + 1}
        self.store.swap("leader", leader.revision, value)
        self.wake_others()

    def obey(self, leader: Record, order: dict[str, Any], records: dict[str, Record]) -> None:
        """Do what somebody has ordered, and tell how it went."""
        if _meant(order, "promote"):
            words = f"{self.me} is primary; let it hand over"
        elif _meant(order, "switchover"):
            if not self.follower(leader, order["to"], records) and self.patient(order["id"]):
                return
            words = self.hand_over(leader, order["to"], records)
        else:
            words = "came too late"
        self.store.delete("order")
        self.store.put("result", {"id": order["id"], "error": words})

    def patient(self, order: str) -> bool:
        """Whether whoever is to take over may have been started a moment ago, and not have told yet that it follows."""
        if self._ordered[0] != order:
            self._ordered = (order, time.monotonic())
        return time.monotonic() - self._ordered[1] < FOLLOWING

    def follower(self, leader: Record, to: str, records: dict[str, Record]) -> str:
        """The server that can take over: ``to``, or without it whoever has the most; empty for none."""
        now = time.monotonic()
        able = {
            name: record.value["position"]
            for name in self.settings.servers
            if (record := records.get(f"member/{name}")) is not None
            and name != self.me
            and now - record.since < self.settings.ttl
            and (record.value["state"], record.value["term"]) == ("streaming", leader.value["term"])
        }
        if to:
            return to if to in able else ""
        return max(able, key=lambda name: able[name], default="")

    def hand_over(self, leader: Record, to: str, records: dict[str, Record]) -> str:
        """Have another server become primary. Nothing is lost: it has all before it is one. What went wrong, if so."""
        chosen = self.follower(leader, to, records)
        if not chosen:
            return f"{to} does not follow" if to else "no replica follows"
        say(f"hands over to {chosen}")
        until = time.monotonic() + HANDING_OVER
        if not self.guard.end(2.0, gently=True):
            self.guard.begin(self._renewed_at + self.settings.ttl - MARGIN)
            return "sessions could not be ended in time; long changes of tables are better waited for"
        final = position_of(self.instance.values())
        while self.ask(chosen, "/position").get("position", -1) < final:
            if time.monotonic() > until or time.monotonic() > self._renewed_at + self.settings.ttl - MARGIN:
                self.guard.begin(self._renewed_at + self.settings.ttl - MARGIN)
                return f"{chosen} did not get all that was written in time"
            time.sleep(0.05)
        process = str(records[f"member/{chosen}"].value["stream"])
        value = {**leader.value, "name": chosen, "term": leader.value["term"] + 1, "stream": process, "open": False}
        value |= {"acks": {}, "synced": False, "base": final, "position": final, "beat": 0}
        if not self.renew(leader, value):
            return "somebody else became primary meanwhile"
        self.guard.end()
        self.ask(chosen, "/wake")
        return ""

    # -- all

    def tell(self, values: dict[str, str], *, state: str, acks: bool, frozen: int | None = None) -> dict[str, Any]:
        """Write how far this one is, when that is new or was said long ago; gives it."""
        told = {
            "stream": self.instance.process(),
            "position": position_of(values),
            "term": self._joined,
            "state": state,
            "acks": acks,
            "frozen": frozen,
        }
        now = time.monotonic()
        if told != self._told or now - self._told_at >= BEAT:
            self.store.put(f"member/{self.me}", {**told, "at": round(time.time(), 1)})
            self._told, self._told_at = told, now
            self.confirmer.extend(now + self.settings.ttl - MARGIN)
        return told

    def lost_instance(self) -> None:
        """The instance does not run: somebody else may take over at once."""
        self.state = {"role": "", "state": "no answer"}
        self.guard.end()
        if self.etcd is None:
            return
        with contextlib.suppress(EtcdError):
            leader = self.etcd.look().get("leader")
            if leader is not None and leader.value["name"] == self.me:
                say("the instance has ended: whoever has the most becomes primary")
                self.release(leader)

    def leave(self) -> None:
        """End: as a primary hand over to whoever is there, as a replica confirm nothing any more."""
        if self.etcd is None:
            return
        with contextlib.suppress(EtcdError, SqlError, OSError):
            records = self.etcd.look()
            leader = records.get("leader")
            values = self.instance.values()
            if leader is not None and leader.value["name"] == self.me:
                if leader.value["open"] and not self.hand_over(leader, "", records):
                    say("has handed over")
                elif self.guard.end():
                    self.release(leader)
            elif values["confirms"] == "1":
                self.confirmer.set(False, 0.0)
                self.tell(values, state="left", acks=False)

    def wake_others(self) -> None:
        """Have the others look at once."""
        for name in self.settings.servers:
            if name != self.me:
                threading.Thread(target=self.ask, args=(name, "/wake"), daemon=True).start()

    def ask(self, name: str, path: str) -> dict[str, Any]:
        """What another promoter answers; nothing when it doesn't."""
        try:
            connection = connect(self.settings, name, 1.0)
            connection.request("GET", path)
            found: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        return found

    def once(self, words: str) -> None:
        """Say it, unless it was the last that was said so."""
        if words != self._said:
            self._said = words
            say(words)


def _meant(order: dict[str, Any], what: str) -> bool:
    """Whether an order is this one, and somebody still waits for it."""
    return bool(order["order"] == what and abs(time.time() - order["at"]) < ORDER + 10)


def connect(settings: Settings, name: str, timeout: float) -> http.client.HTTPSConnection:
    """To the promoter of another server."""
    context = settings.context()
    return http.client.HTTPSConnection(settings.servers[name], settings.health_port, timeout=timeout, context=context)


# ---------------------------------------------------------------------------------------------------------------------
# What it answers: routers ask it who is what, the other servers for a copy.


class Server(http.server.ThreadingHTTPServer):
    """HTTPS; whoever only looks needs no certificate."""

    daemon_threads = True
    promoter: Promoter

    def __init__(self, promoter: Promoter) -> None:
        settings = promoter.settings
        address = settings.address
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.promoter = promoter
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=settings.authority)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self._loaded = 0.0
        self.load()
        super().__init__((address, settings.health_port), Handler)

    def load(self) -> None:
        """Read the certificate when it is a new one."""
        settings = self.promoter.settings
        changed = Path(settings.certificate).stat().st_mtime
        if changed != self._loaded:
            self.context.load_cert_chain(settings.certificate, settings.key)
            self._loaded = changed

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who goes away, or speaks no TLS, is none of our business."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 10

    def setup(self) -> None:
        """Speak TLS, in a thread of its own: who is slow holds nobody up."""
        self.server.load()
        self.request.settimeout(self.timeout)
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def do_GET(self) -> None:
        """Answer."""
        promoter = self.server.promoter
        state, path = promoter.state, urlsplit(self.path).path
        if path == "/primary":
            self._send(200 if promoter.guard.open and state["role"] == "primary" else 503, {"role": state["role"]})
        elif path == "/replica":
            seconds = state.get("seconds")
            good = state["state"] == "streaming" and seconds is not None and seconds <= LAG
            self._send(200 if good else 503, {"role": state["role"]})
        elif path == "/backup" and self._known(promoter.settings.keeper):
            self._copy(promoter.guard.open or state["state"] == "streaming")
        elif not self._known():
            self._send(403 if path in ("/status", "/position", "/wake", "/copy", "/backup") else 404, {})
        elif path == "/status":
            self._send(200, {**state, "writes": promoter.guard.open})
        elif path == "/position":
            self._send(200, self._position())
        elif path == "/wake":
            promoter.woken.set()
            self._send(200, {})
        elif path == "/copy":
            self._copy(promoter.guard.open)
        else:
            self._send(404, {})

    def _known(self, also: str = "") -> bool:
        """Whether a server of the group asks, or the one at that address, by the address in its certificate."""
        certificate = self.request.getpeercert() or {}
        known = (*self.server.promoter.settings.servers.values(), also)
        addresses = {ipaddress.ip_address(each) for each in filter(None, known)}
        names = certificate.get("subjectAltName", ())
        return any(kind == "IP Address" and ipaddress.ip_address(text.strip()) in addresses for kind, text in names)

    def _position(self) -> dict[str, Any]:
        session = Session(self.server.promoter.settings.socket)
        try:
            values = session.query("select @@global.gtid_current_pos current, @@global.gtid_binlog_pos written")[0]
            values |= (session.query("show slave status") or [{}])[0]
        finally:
            session.close()
        return {"position": position_of(values)}

    def _copy(self, good: bool) -> None:
        """All of the data, as mariadb-backup streams them; the end is told only of a whole one."""
        promoter = self.server.promoter
        if not good:
            self._send(503, {})
            return
        say(f"copied by {self.client_address[0]}")
        self.request.settimeout(120)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        scratch = promoter.settings.home / f"sending-{threading.get_ident()}"
        scratch.mkdir(mode=0o700, exist_ok=True)
        try:
            with backup(promoter.settings, scratch) as process:
                while process.stdout is not None and (chunk := process.stdout.read(1 << 18)):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                if process.wait() == 0:
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    say(f"mariadb-backup failed; {promoter.settings.home / 'sending.log'} has its words")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def backup(settings: Settings, scratch: Path) -> subprocess.Popen[bytes]:
    """mariadb-backup, whose output is all of the data. It logs in by the socket."""
    argv = [
        "mariadb-backup",
        f"--defaults-file={INSTANCES / settings.instance}.cnf",
        "--backup",
        "--stream=mbstream",
        f"--target-dir={scratch}",
        "--user=backup",
        f"--socket={settings.socket}",
    ]
    with (settings.home / "sending.log").open("wb") as log:
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=log)


# ---------------------------------------------------------------------------------------------------------------------
# Before the instance starts.


def prepare(settings: Settings) -> None:
    """See that there are data: those that are there, a copy of the leader's, or for the first server new ones."""
    home = settings.home
    data, mark = home / "data", home / "copy-anew"
    if mark.exists():
        if data.exists():
            # Seconds are enough: nobody starts twice in one.
            aside = home / datetime.datetime.now(datetime.timezone.utc).strftime(ASIDE)
            data.rename(aside)
            say(f"its data so far are in {aside}")
        mark.unlink()
    options = ""
    if data.exists():
        if not settings.alone:
            with contextlib.suppress(EtcdError, OSError):
                leader = Etcd(settings).look().get("leader")
                if leader is not None and leader.value["name"] not in ("", settings.name):
                    # Another server has all that was confirmed: what this one has committed on its own, and was
                    # waiting for others with, is taken back.
                    options = "--init-rpl-role=SLAVE --rpl-semi-sync-slave-enabled=1"
        Path(f"/run/mariadb-{settings.instance}/options").write_text(f"OPTIONS={options}\n", encoding="ascii")
        return
    told = ""
    while True:
        try:
            words = _make(settings, data)
        except (EtcdError, OSError, http.client.HTTPException, subprocess.CalledProcessError) as error:
            words = str(error)
        if not words:
            return
        if words != told:
            say(f"no data yet: {words}")
            told = words
        time.sleep(1.0)


def _make(settings: Settings, data: Path) -> str:
    """Make the data; why there are none, if so."""
    if settings.alone:
        _new(settings, data)
        return ""
    leader = Etcd(settings).look().get("leader")
    if leader is None:
        if next(iter(settings.servers)) != settings.name:
            return f"waiting for {next(iter(settings.servers))} to make the database"
        # One that answers has data, which must not be forgotten because this server has none any more.
        for name in settings.servers:
            if name != settings.name and _answers(settings, name):
                return f"{name} has data: they are not begun anew"
        _new(settings, data)
        return ""
    name = leader.value["name"]
    if name == settings.name or name not in settings.servers:
        return "there is no primary whose data could be copied"
    _fetch(settings, name, data)
    return ""


def _answers(settings: Settings, name: str) -> bool:
    try:
        connection = connect(settings, name, 2.0)
        connection.request("GET", "/status")
        found: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return False
    return "position" in found


def _new(settings: Settings, data: Path) -> None:
    making = settings.home / "making"
    shutil.rmtree(making, ignore_errors=True)
    say("makes a new database")
    subprocess.run(
        [
            "mariadb-install-db",
            f"--defaults-file={INSTANCES / settings.instance}.cnf",
            f"--datadir={making}",
            "--skip-test-db",
            "--skip-name-resolve",
            "--auth-root-authentication-method=socket",
            "--user=mysql",
        ],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (making / "longshore-new").touch()
    making.rename(data)


def _fetch(settings: Settings, name: str, data: Path) -> None:
    """Copy the leader's data while it serves."""
    making = settings.home / "making"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    connection = connect(settings, name, 60.0)
    connection.request("GET", "/copy")
    answer = connection.getresponse()
    if answer.status != 200:
        raise OSError(f"{name} gives no copy: HTTP {answer.status}")
    say(f"copies the data of {name}")
    with subprocess.Popen(["mbstream", "-x", "-C", str(making)], stdin=subprocess.PIPE) as process:
        if process.stdin is not None:
            with process.stdin as channel:
                shutil.copyfileobj(answer, channel, 1 << 18)
    if process.returncode != 0:
        raise OSError(f"the copy of {name} could not be unpacked")
    subprocess.run(["mariadb-backup", "--prepare", f"--target-dir={making}"], check=True, stderr=subprocess.DEVNULL)
    words = (making / "mariadb_backup_binlog_info").read_text(encoding="ascii").split()
    (making / "longshore-position").write_text(words[2] if len(words) > 2 else "", encoding="ascii")
    making.rename(data)
    say(f"has the data of {name}")


# ---------------------------------------------------------------------------------------------------------------------


def order(settings: Settings, what: str, to: str) -> dict[str, Any]:
    """Have something done, and wait until it is; ``error`` tells what went wrong."""
    if what == "resync":
        (settings.home / "copy-anew").touch()
        Instance(settings).sql("shutdown")
        return {"error": ""}
    etcd = Etcd(settings)
    if what == "forget":
        etcd.delete(f"member/{to or settings.name}")
        return {"error": ""}
    number = f"{time.time():.3f}-{os.getpid()}"
    before = etcd.look().get("leader")
    etcd.put("order", {"id": number, "order": what, "to": to, "at": time.time()})
    until = time.monotonic() + ORDER
    try:
        while time.monotonic() < until:
            time.sleep(0.2)
            found = etcd.look()
            result, leader = found.get("result"), found.get("leader")
            if result is not None and result.value["id"] == number and result.value["error"]:
                return {"error": result.value["error"]}
            if leader is None or not leader.value["open"] or not leader.value["name"]:
                continue
            if before is None or leader.value["term"] > before.value["term"]:
                return {"error": "", "after": leader.value["name"]}
    finally:
        etcd.delete("order")
    return {"error": f"nobody has become primary within {ORDER:.0f} s"}


def fence(settings: Settings) -> None:
    """Take no more writes: the promoter has ended, and nobody looks when the lease does."""
    instance = Instance(settings)
    try:
        writes = not settings.alone and instance.values()["read_only"] != "1"
    except (OSError, SqlError):
        writes = True
    if writes and instance.process():
        Guard(settings).end()


def say(words: str) -> None:
    """To the journal."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def notify(words: str) -> None:
    """To systemd."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(words.encode(), "\0" + place[1:] if place.startswith("@") else place)


def run(settings: Settings) -> None:
    """The daemon."""
    promoter = Promoter(settings)

    def end(_signal: int, _frame: Any) -> None:
        promoter.ending = True
        promoter.woken.set()

    def reload(_signal: int, _frame: Any) -> None:
        promoter.reloading = True
        promoter.woken.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, reload)
    server = Server(promoter)
    for each in (promoter.guard, promoter.confirmer):
        threading.Thread(target=each.watch, daemon=True).start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    notify("READY=1")
    promoter.run()
    server.shutdown()


def main() -> None:
    """See the module."""
    what, instance, *more = sys.argv[1:]
    settings = Settings.of(instance)
    if what == "order":
        sys.stdout.write(json.dumps(order(settings, more[0], more[1] if len(more) > 1 else "")))
    else:
        {"run": run, "prepare": prepare, "fence": fence}[what](settings)


if __name__ == "__main__":
    main()
