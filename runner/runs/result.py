# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came out of a run, and how it is worked out from the events."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from longshore.runs.events import Change, Event, Line, PlayStarted, TaskFinished
from longshore.runs.exit_code import ExitCode


class Status(str, Enum):
    """How a run ended."""

    DONE = "done"
    DEGRADED = "degraded"
    FAILED = "failed"
    BAD_INPUT = "bad_input"
    LOCKED = "locked"
    CANCELLED = "cancelled"


_EXIT_CODES = {
    Status.DONE: ExitCode.DONE,
    Status.DEGRADED: ExitCode.DEGRADED,
    Status.FAILED: ExitCode.FAILED,
    Status.BAD_INPUT: ExitCode.BAD_INPUT,
    Status.LOCKED: ExitCode.LOCKED,
    Status.CANCELLED: ExitCode.CANCELLED,
}

# Modules that tell how databases are.
_OF_DATABASES = frozenset(
    {
        *("database_info", "external_database", "mariadb_info", "memcached_info", "rabbitmq_info", "valkey_info"),
        *("database_former", "database_settings"),
    }
)

# Actions that end well without the server.
_HERE = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "ansible.builtin.")
    for name in (
        *("add_host", "assert", "debug", "group_by", "import_role", "include_role", "include_tasks", "include_vars"),
        *("pause", "set_fact", "validate_argument_spec"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Where something failed, why, and what to do about it (``cure``, empty when the message says all)."""

    host: str
    task: str
    role: str
    message: str
    cure: str = ""


@dataclass(frozen=True, kw_only=True)
class Counters:
    """How the tasks of one server ended."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    ignored: int = 0
    unreachable: int = 0
    skipped: int = 0


@dataclass(frozen=True, kw_only=True)
class ServerChange:
    """A change, on which server and by which role."""

    host: str
    role: str
    task: str
    change: Change


@dataclass(frozen=True, kw_only=True)
class Result:
    """The end of a run.

    Attributes: ``counters`` per server (``localhost`` is this machine), ``unreachable`` servers, ``notices`` (what is
    less than was asked for, and why), ``locked_by`` (who holds the lock, when the run was refused for it), ``data``
    (what our modules returned, by the module's short name, the last one winning), ``kept`` (by server, the paths of
    data that a removal left there), ``databases`` (by name and server, how it is, or what would change),
    ``bans`` (by server, what the module of that name told),
    ``leases`` (by server, who may reach which port of it for how long yet),
    ``duration`` in seconds, ``log`` (the directory with the events and Ansible's own output).
    """

    run: str
    status: Status
    duration: float
    check: bool = False
    counters: dict[str, Counters] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    unreachable: tuple[str, ...] = ()
    changes: tuple[ServerChange, ...] = ()
    notices: tuple[str, ...] = ()
    locked_by: str = ""
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, tuple[str, ...]] = field(default_factory=dict)
    databases: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    bans: dict[str, dict[str, Any]] = field(default_factory=dict)
    leases: dict[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)
    log: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """The process's exit code; a check that found changes and nothing worse gives 2."""
        if self.check and self.status is Status.DONE and self.changes:
            return ExitCode.CHANGES
        return _EXIT_CODES[self.status]

    def to_dict(self) -> dict[str, Any]:
        """JSON data: the fields and ``exit_code``."""
        return {**dataclasses.asdict(self), "status": self.status.value, "exit_code": int(self.exit_code)}


class Tally:
    """Takes the events of one run and works out its result."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[str, int]] = {}
        self._failures: list[Failure] = []
        self._changes: list[ServerChange] = []
        self._errors: list[str] = []
        self._data: dict[str, dict[str, Any]] = {}
        self._notices: dict[str, None] = {}
        self._kept: dict[str, tuple[str, ...]] = {}
        self._databases: dict[str, dict[str, dict[str, Any]]] = {}
        self._bans: dict[str, dict[str, Any]] = {}
        self._leases: dict[str, tuple[dict[str, Any], ...]] = {}
        self._locked_by = ""
        self._bad_input = False
        self._rescued: set[str] = set()
        self._left_out: set[str] = set()
        self._worked: set[str] = set()
        # By server, whether it was reached: in the play, and in the task that ended last.
        self._reached: dict[str, bool] = {}
        self._reached_last: dict[str, bool] = {}
        self._last_task = ""
        self._lost_last: set[str] = set()
        self._lost_play = False
        self._cut_short = False

    def add(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Line) and event.level == "error":
            self._errors.append(event.text)
        elif isinstance(event, PlayStarted):
            self._play_ended()
        elif isinstance(event, TaskFinished):
            self._task(event)

    def rescued(self, hosts: set[str]) -> None:
        """The servers whose failures were all dealt with by the playbook itself."""
        self._rescued |= hosts

    def _play_ended(self) -> None:
        # When all servers of a play become unreachable in it, Ansible stops there: the rest of the playbook never ran.
        # So it does when one is lost that did something for all; a task of each would have ended on the others too.
        if self._reached:
            self._lost_play = self._lost_play or not any(self._reached.values())
            self._cut_short = not any(self._reached_last.values())
        self._reached = {}

    def _task(self, event: TaskFinished) -> None:
        self._whereabouts(event)
        counters = self._counters.setdefault(event.place.host, {})
        counters[event.status] = counters.get(event.status, 0) + 1
        if event.data:
            name = event.action.rpartition(".")[2]
            self._data[name] = event.data
            self._notices.update(dict.fromkeys(str(notice) for notice in event.data.get("notices") or []))
            if name in ("kept_data", "host_state", "data_directory") or name.endswith("_instances"):
                before = self._kept.get(event.place.host, ())
                found = [str(path) for path in event.data.get("kept") or []]
                self._kept[event.place.host] = tuple(dict.fromkeys([*before, *found]))
            if name in _OF_DATABASES:
                for instance, found in (event.data.get("instances") or {}).items():
                    self._databases.setdefault(instance, {})[event.place.host] = found
            if name == "bans":
                self._bans[event.place.host] = event.data
            if name == "firewall_lease":
                self._leases[event.place.host] = tuple(event.data.get("leases") or ())
            if name == "guard":
                # Servers that did not answer are left out from the start, so no task tells of them.
                self._left_out |= {str(server) for server in event.data.get("unreachable_servers") or []}
        if event.status == "failed":
            self._locked_by = self._locked_by or _holder(event.data)
            self._bad_input = self._bad_input or bool(event.data.get("bad_input"))
            cure = str(event.data.get("cure") or "")
            self._failures.append(
                Failure(
                    host=event.place.host,
                    task=event.place.task,
                    role=event.place.role,
                    message=event.message,
                    cure=cure,
                )
            )
        self._changes += [
            ServerChange(host=event.place.host, role=event.place.role, task=event.place.task, change=change)
            for change in event.changes
        ]

    def _whereabouts(self, event: TaskFinished) -> None:
        host, reached = event.place.host, event.status != "unreachable"
        if event.place.id != self._last_task:
            self._last_task, self._reached_last = event.place.id, {}
        self._reached[host] = self._reached_last[host] = reached
        if not reached:
            self._lost_last = {name for name, there in self._reached_last.items() if not there}
        if event.status in ("ok", "changed") and event.action not in _HERE:
            self._worked.add(host)

    def result(self, *, run: str, check: bool, cancelled: bool, code: int, duration: float, log: str) -> Result:
        """The result of the run whose ``ansible-playbook`` ended with ``code``."""
        self._play_ended()
        failures = [failure for failure in self._failures if failure.host not in self._rescued]
        lost = {host for host, known in self._counters.items() if known.get("unreachable")}
        # Who missed the guard's question and then did its tasks was only busy.
        unreachable = tuple(sorted(lost | (self._left_out - self._worked)))
        status = self._status(bool(failures), bool(unreachable), code)
        if cancelled and status not in (Status.DONE, Status.DEGRADED):
            status = Status.CANCELLED
        if status is Status.FAILED and not failures:
            failures.append(Failure(host="localhost", task="", role="", message=self._why(unreachable, code)))
        return Result(
            run=run,
            status=status,
            duration=round(duration, 3),
            check=check,
            counters={host: Counters(**known) for host, known in sorted(self._counters.items())},
            failures=tuple(failures),
            unreachable=unreachable,
            changes=tuple(self._changes),
            notices=tuple(self._notices),
            locked_by=self._locked_by if status is Status.LOCKED else "",
            data=self._data,
            databases=self._databases,
            bans=self._bans,
            leases=self._leases,
            kept={host: paths for host, paths in sorted(self._kept.items()) if paths},
            log=log,
        )

    def _status(self, failed: bool, unreachable: bool, code: int) -> Status:
        if failed and self._locked_by:
            return Status.LOCKED
        if failed and self._bad_input:
            return Status.BAD_INPUT
        if failed or self._lost_play or (self._cut_short and code != 0) or not self._counters:
            return Status.FAILED
        if unreachable or self._notices:
            # ansible-playbook ends with 4 when a server was unreachable; anything else is a fault of its own.
            return Status.DEGRADED if code in (0, 4) else Status.FAILED
        return Status.DONE if code == 0 else Status.FAILED

    def _why(self, unreachable: tuple[str, ...], code: int) -> str:
        if self._errors:
            return "\n".join(self._errors[-20:])
        if self._lost_play:
            return f"no server was left to go on with; unreachable: {', '.join(unreachable)}"
        if code == 0:
            return "the playbook matched no server, nothing ran"
        if self._lost_last:
            was, it = ("was", "it") if len(self._lost_last) == 1 else ("were", "they")
            names = ", ".join(sorted(self._lost_last))
            return f"the run ended early: {names} {was} lost while {it} did something for all servers; run it again"
        return f"ansible-playbook ended with {code} without saying why"


def _holder(data: dict[str, Any]) -> str:
    held = data.get("locked")
    if not isinstance(held, dict):
        return ""
    return f"{held.get('owner') or 'somebody'} (run {held.get('run', '')})"
