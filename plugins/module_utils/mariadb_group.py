# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instances of MariaDB on a server: started, told what is new without a restart where they take it, restarted.

Private to the collection. Which server of a group is primary decides the program ``mariadb-promoter``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time

from .data_place import alone
from .host_change import HostError, attempt, last_lines, run
from .host_files import read, replace
from .host_programs import replaced
from .mariadb_sql import Local, plan
from .rest import Rest, RestError
from .settings_text import mariadb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .data_place import Place
    from .host_change import Change
    from .run import Run

CONFIG = "/etc/mysql/instances"
DATA = "/var/lib/mariadb"
PROGRAM, EVENTS = "/usr/lib/longshore/mariadb-promoter", "/usr/lib/longshore/mariadb_events.py"
_UNITS = "/etc/systemd/system/mariadb-{}@.service"
# Seconds. What it has in memory is written when it stops; an order is waited for by the program itself.
STOPPING, ORDERED = 900.0, 60.0
_SIZE = re.compile(r"(\d+)([KMGTPE])", re.IGNORECASE)
_CODE = re.compile(r"ERROR (\d+) ")


class Member:
    """The instance ``name`` of this server, which is called ``own`` among the ``servers`` (name → address)."""

    def __init__(self, instance: Mapping[str, Any], own: str, rest: Rest, work: Run) -> None:
        self.name = instance["name"]
        self.own = own
        self.servers = {each["name"]: each["address"] for each in instance["servers"]}
        self.local = Local(self.name)
        self.unit = f"mariadb-instance@{self.name}.service"
        self.promoter = f"mariadb-promoter@{self.name}.service"
        self._port = instance["health_port"]
        self._database = instance.get("database", "")
        self._also = instance.get("also") or []
        self._rest = rest
        self._work = work
        self._applied = f"{DATA}/{self.name}/applied"

    def state(self, name: str = "") -> dict[str, Any]:
        """What the promoter of a server (empty: this one) tells; empty when it does not answer."""
        try:
            _status, answer = self._rest.ask(
                (self.servers[name or self.own], self._port), "GET", "/status", timeout=3.0
            )
        except RestError:
            return {}
        return answer if isinstance(answer, dict) else {}

    def role(self) -> str:
        """``primary``, ``replica``, or nothing while it does not serve."""
        told = self.state()
        if told.get("writes"):
            # It may take writes a moment before it calls itself primary.
            return "primary"
        return str(told["role"]) if _serves(told) else ""

    def primary(self) -> str:
        """The name of the primary; empty when there is none."""
        return next((name for name in self.servers if self.state(name).get("writes")), "")

    def strangers(self) -> list[str]:
        """Servers that are not of the group any more and go on; only a primary knows."""
        found: list[str] = self.state().get("strangers") or []
        return found

    def converge(self, deadline: float, passwords: Mapping[str, str], check: bool) -> Iterator[str]:
        """Have it run with what its files say; gives what is done, a few words each."""
        if not _active(self.unit) or not _active(self.promoter):
            yield "start"
            if check:
                return
            self._start()
        yield from self._take(check)
        if check and not _serves(self.state()):
            return
        self._await(deadline)
        if self.role() != "primary":
            return
        for change in self._logical(passwords):
            yield change.what
            if not check:
                self._work.check()
                change.apply()

    def _logical(self, passwords: Mapping[str, Any]) -> Iterator[Change]:
        """Changes that make the logical databases."""
        yield from plan(self.local, self._database, passwords)
        for name in self._also:
            yield from plan(self.local, name, {**passwords, **passwords["also"][name]})

    def due(self) -> bool:
        """Whether something has to be restarted for what the files say, or since its program is a newer one."""
        return _active(self.unit) and (self._recorded() != self._wanted() or replaced(self._process()))

    def restart(self, deadline: float) -> None:
        """Restart what has to be. A primary hands over first where somebody can take over."""
        if len(self.servers) > 1 and self.role() == "primary":
            self.order("switchover", "")
        before, after = self._recorded(), self._wanted()
        told = (before.get("settings"), before.get("unit"))
        if told != (after["settings"], after["unit"]) or replaced(self._process()):
            run(["systemctl", "restart", "--no-block", self.unit], timeout=STOPPING)
        if before.get("program") != after["program"]:
            run(["systemctl", "restart", self.promoter], timeout=STOPPING)
        self._record(after)
        self._await(deadline)

    def move(self, place: Place, directory: str, deadline: float) -> None:
        """Move its data to another directory; a primary hands over first where somebody can take over."""

        def whole() -> None:
            away = [each for each in self.servers if each != self.own and not _serves(self.state(each))]
            if away:
                raise HostError(alone(self.name, away))

        def ready() -> None:
            whole()
            if len(self.servers) > 1 and self.role() == "primary":
                self.order("switchover", "")
                self._await(deadline)

        whole()
        place.move(directory, ready, self._start)
        self._await(deadline)

    def order(self, order: str, server: str) -> str:
        """Have the group change; gives the primary afterwards. Raises ``HostError`` when it does not."""
        with self._work.to_the_end():
            argv = ["runuser", "-u", "mysql", "--", "/usr/bin/python3", PROGRAM, "order", self.name, order, server]
            out = run(argv, timeout=ORDERED)
        told = json.loads(out)
        if told.get("error"):
            raise HostError(f"{self.name}: {told['error']}; see longshore db status")
        return str(told.get("after", ""))

    def leave(self) -> None:
        """End a replica for good. Its data stay."""
        run(["systemctl", "disable", "--quiet", "--now", self.promoter], timeout=STOPPING)
        run(["systemctl", "disable", "--quiet", "--now", self.unit], timeout=STOPPING)
        self.order("forget", "")

    def forget(self, server: str) -> None:
        """Have nobody count on a server any more that is lost for good."""
        self.order("forget", server)

    def copy_anew(self, deadline: float) -> None:
        """Have a replica copy the primary's data; its own are put aside."""
        before = self._process()
        self.order("resync", "")
        until = time.monotonic() + deadline
        while self._process() in ("", before):
            if time.monotonic() > until:
                raise HostError(f"{self.name}: the copy is not there after {deadline:.0f} s")
            self._work.wait(0.5)
        self._await(deadline)

    def _process(self) -> str:
        return (read(f"/run/mariadb-{self.name}/mariadb.pid") or b"").decode().strip()

    def _wanted(self) -> dict[str, Any]:
        known = mariadb((read(f"{CONFIG}/{self.name}.cnf") or b"").decode())
        return {
            "settings": known,
            "unit": _digest(_UNITS.format("instance")),
            "program": _digest(PROGRAM, EVENTS, _UNITS.format("promoter")),
            "told": _digest(f"{CONFIG}/{self.name}.json"),
            "tls": _digest(*(known[key] for key in ("ssl_ca", "ssl_cert", "ssl_key") if key in known)),
        }

    def _recorded(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(read(self._applied) or b"{}")
        return found

    def _record(self, applied: Mapping[str, Any]) -> None:
        owner = os.stat(f"{DATA}/{self.name}")
        replace(self._applied, json.dumps(applied).encode(), 0o600, (owner.st_uid, owner.st_gid))

    def _start(self) -> None:
        if not _active(self.unit):
            self._record(self._wanted())
        for unit in (self.unit, self.promoter):
            run(["systemctl", "enable", "--quiet", unit])
            run(["systemctl", "start", "--no-block", unit])

    def _take(self, check: bool) -> Iterator[str]:
        """Tell it what is new and needs no restart; gives what is done."""
        before, after = self._recorded(), self._wanted()
        if before == after or not _active(self.unit):
            return
        if before.get("told") != after["told"]:
            yield "take its group"
            if not check:
                run(["systemctl", "reload", self.promoter])
                before["told"] = after["told"]
        if before.get("tls") != after["tls"]:
            yield "take its certificate"
            if not check:
                self.local.sql("flush local ssl")
                before["tls"] = after["tls"]
        old, new = before.setdefault("settings", {}), after["settings"]
        for name in sorted({*old, *new}):
            if old.get(name) == new.get(name):
                continue
            yield f"{name}: {new.get(name, 'its default')}"
            if not check and self._set(name, new.get(name)):
                old.pop(name, None)
                old.update({name: new[name]} if name in new else {})
        if not check:
            self._record(before)

    def _set(self, name: str, value: str | None) -> bool:
        """Change a variable; whether it took the change without a restart."""
        try:
            self.local.sql(f"set global {name} = {literal(value)}")
        except HostError as error:
            found = _CODE.search(str(error))
            if found is None:
                raise HostError(f"{self.name} refuses {name}: {error}") from error
            # Also of another type than it looks like: a restart reads it from the file, which mariadbd has checked.
            return False
        return True

    def _await(self, deadline: float) -> None:
        """Wait until it serves: as a primary, or with its primary's data."""
        until = time.monotonic() + deadline
        told = ""
        while True:
            state = self.state()
            if _serves(state):
                return
            words = str(state.get("why") or state.get("state") or "no answer")
            if words != told:
                self._work.progress(f"{self.name}: {words}")
                told = words
            if time.monotonic() > until:
                argv = ["journalctl", "--no-pager", "-o", "cat", "-n", "8", "-u", self.unit, "-u", self.promoter]
                log = last_lines(attempt(argv)[1])
                raise HostError(f"{self.name} does not serve after {deadline:.0f} s: {words}. Its log ends: {log}")
            self._work.wait(0.2)


def literal(value: str | None) -> str:
    """A value of a file as ``set global`` takes it."""
    if value is None:
        return "default"
    size = _SIZE.fullmatch(value)
    if size is not None:
        return str(int(size[1]) << 10 * ("KMGTPE".index(size[2].upper()) + 1))
    if re.fullmatch(r"-?\d+(\.\d+)?", value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _serves(state: Mapping[str, Any]) -> bool:
    return bool(state.get("writes")) or (state.get("role"), state.get("state")) == ("replica", "streaming")


def _active(unit: str) -> bool:
    """Whether a unit runs, or is about to."""
    return run(["systemctl", "show", "--property=ActiveState", "--value", unit]).strip() not in ("inactive", "failed")


def _digest(*paths: str) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update((read(path) or b"") + b"\0")
    return total.hexdigest()
