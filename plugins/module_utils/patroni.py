# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Patroni says of a group of PostgreSQL servers, and what it is told, through its REST interface.

Private to the collection. https://patroni.readthedocs.io/en/latest/rest_api.html
"""

from __future__ import annotations

import time

from .host_change import HostError, attempt
from .rest import Rest, RestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .run import Run

# Seconds. A restart writes all that is in memory.
RESTART = 900.0
# Patroni waits for as long as its members need to agree.
HANDING_OVER = 120.0
# Seconds until a primary that has just been made tells what all members share.
NEW = 30.0
# What a primary calls itself; etcd's leader, in the words of some answers.
PRIMARY = ("primary", "master", "leader")
# Replicas that commits wait for, in the words of the cluster's members.
SYNCHRONOUS = ("sync_standby", "quorum_standby")
# States of a member that takes as long as its data are large.
_COPYING = ("creating replica", "initializing new cluster", "running custom bootstrap script", "starting")


class Group:
    """One group: ``servers`` is name → address, ``port`` that of the REST interface, the same on all."""

    def __init__(self, rest: Rest, servers: Mapping[str, str], port: int, work: Run) -> None:
        self.rest = rest
        self.servers = servers
        self.port = port
        self.work = work

    def _at(self, name: str) -> tuple[str, int]:
        return self.servers[name], self.port

    def of(self, name: str) -> dict[str, Any]:
        """What a member says of itself (``GET /patroni``); empty when it does not answer."""
        try:
            _status, answer = self.rest.ask(self._at(name), "GET", "/patroni", timeout=3.0)
        except RestError:
            return {}
        return answer if isinstance(answer, dict) else {}

    def cluster(self) -> dict[str, dict[str, Any]]:
        """Name → what the first member that answers knows of all (``GET /cluster``); empty when none does."""
        for address in self.servers.values():
            try:
                status, answer = self.rest.ask((address, self.port), "GET", "/cluster", timeout=3.0)
            except RestError:
                continue
            if status == 200 and isinstance(answer, dict):
                return {each["name"]: each for each in answer.get("members") or []}
        return {}

    def primary(self) -> str:
        """The name of the primary; empty when there is none."""
        for name, member in self.cluster().items():
            if member.get("role") in PRIMARY and member.get("state") == "running":
                return name
        return ""

    def config(self, name: str) -> dict[str, Any]:
        """What all members share. Raises ``RestError``."""
        until = time.monotonic() + NEW
        while True:
            status, answer = self.rest.ask(self._at(name), "GET", "/config")
            # A new primary runs before it has written down what all members share.
            if status != 502 or time.monotonic() >= until:
                break
            self.work.wait(0.2)
        if status != 200 or not isinstance(answer, dict):
            raise RestError(f"{name} does not tell the configuration of its group: HTTP {status}", status)
        return answer

    def configure(self, name: str, config: Mapping[str, Any]) -> None:
        """Change what all members share. Raises ``RestError``."""
        status, answer = self.rest.ask(self._at(name), "PATCH", "/config", config)
        if status != 200:
            raise RestError(f"{name} refuses the configuration of its group: HTTP {status} {answer}", status)

    def restart(self, name: str, pending: bool = True) -> None:
        """Restart PostgreSQL of a member (``pending``: if it waits for that) and wait until it serves again.

        Raises ``HostError``.
        """
        # Only that it is there counts, whatever its value.
        when = {"restart_pending": True} if pending else {}
        try:
            status, answer = self.rest.ask(self._at(name), "POST", "/restart", when, timeout=RESTART)
        except RestError as error:
            raise HostError(f"{name} was told to restart PostgreSQL: {error}") from error
        # 503: nothing is pending any more.
        if status != 200 and not (pending and status == 503):
            raise HostError(f"{name} could not restart PostgreSQL: HTTP {status} {answer}")
        self.await_member(name, 120.0)

    def hand_over(self, primary: str, server: str) -> str:
        """Make ``server`` (empty: whoever is least behind) the primary; gives the new one. Raises ``HostError``.

        Without a ``primary`` there is nobody to hand over, and ``server`` is promoted as it is.
        """
        path = "/switchover" if primary else "/failover"
        body = {name: value for name, value in (("leader", primary), ("candidate", server)) if value}
        at = self._at(primary or server)
        status, answer = self.rest.ask(at, "POST", path, body, timeout=HANDING_OVER)
        if status != 200:
            raise HostError(f"no other server became primary: HTTP {status} {answer or ''}".rstrip())
        until = time.monotonic() + HANDING_OVER
        while True:
            new = self.primary()
            if new and new != primary and serves(self.of(new)):
                return new
            if time.monotonic() >= until:
                raise HostError(f"no other server became primary within {HANDING_OVER:.0f} s")
            self.work.wait(0.2)

    def resync(self, name: str, deadline: float) -> None:
        """Have a replica copy the primary's data anew. Raises ``HostError``."""
        status, answer = self.rest.ask(self._at(name), "POST", "/reinitialize", {"force": True}, timeout=60.0)
        if status != 200:
            raise HostError(f"{name} does not begin to copy: HTTP {status} {answer or ''}".rstrip())
        until = time.monotonic() + 30.0
        # It goes on to serve until it begins.
        while serves(self.of(name)) and time.monotonic() < until:
            self.work.wait(0.2)
        self.await_member(name, 180.0, deadline)

    def await_member(self, name: str, patience: float, copying: float = 0.0) -> None:
        """Wait until a member runs: as primary, or as a replica that follows. Raises ``HostError`` with its state.

        ``patience`` is in seconds; while it copies the primary's data, ``copying`` is, if that is more.
        """
        began = since = time.monotonic()
        told = ""
        while True:
            member = self.of(name)
            if serves(member):
                return
            state = str(member.get("state") or "no answer")
            if state != told:
                self.work.progress(f"{name}: {state}")
                told = state
            limit = max(patience, copying) if state in _COPYING else patience
            if state in _COPYING and time.monotonic() - began < limit:
                # What comes after a copy has the ordinary patience.
                since = time.monotonic()
            if time.monotonic() - (began if state in _COPYING else since) >= limit:
                raise HostError(f"PostgreSQL on {name} is not there after {limit:.0f} s: {state}")
            self.work.wait(0.5)


def serves(member: Mapping[str, Any]) -> bool:
    """Whether what a member says of itself is a primary, or a replica that has its primary's stream."""
    if member.get("state") != "running":
        return False
    if member.get("role") in PRIMARY:
        return True
    return member.get("replication_state") == "streaming"


def differences(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """The part of ``wanted`` that ``live`` has not; what ``live`` has besides is left alone."""
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        if isinstance(value, dict):
            inner = differences(value, live.get(key) or {})
            if inner:
                found[key] = inner
        elif key not in live or str(live[key]) != str(value):
            found[key] = value
    return found


def log_of(unit: str) -> str:
    """The end of a unit's log, as one line of a message."""
    _code, log, _error = attempt(["journalctl", "-u", unit, "-n", "6", "-o", "cat", "--no-pager"])
    return " | ".join(line.strip() for line in log.strip().splitlines())[-1200:]
