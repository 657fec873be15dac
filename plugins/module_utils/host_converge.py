# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One concern of a host, as a whole: everything that is wanted, planned and made so in one order.

Private to the collection. Each subject is asked for its changes one by one, and each change is made before the next is
asked for; in check mode none is made, and a subject takes what is missing then as still to come.
"""

from __future__ import annotations

from .host_change import Change, Host, HostError, Refused, run
from .host_pending import DIRECTORY, Pending
from .run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

UNIT_DIRECTORY = "/etc/systemd/system"


def converge(
    wanted: Mapping[str, Any], check: bool, memory: str = DIRECTORY, work: Run | None = None
) -> dict[str, Any]:
    """Make a host as wanted, or say what would be done.

    ``wanted`` holds the parameters of the module ``host_state``; ``memory`` is where the owed is kept; ``work`` is the
    run that this belongs to.
    The answer has ``changed``, ``changes`` (a few words each), ``diff`` (before and after of each), ``restart_needed``
    (units that the caller restarts), ``unsupported`` (kernel settings this kernel lacks), ``kept`` (paths of what
    former units have made) and ``resumed`` (an earlier run was interrupted).
    Raises ``HostError``, and ``Cancelled`` between two changes; what was done until then stays done, and what it calls
    for is owed.
    """
    host = Host(check)
    work = work or Run()
    _refuse(wanted)
    wanted, kept = _with_former(wanted)
    pending = Pending(wanted["name"], memory)
    owed = bool(pending.triggers)
    host.fired |= pending.triggers
    done: list[Change] = []
    for change in _subjects(wanted, host, pending, memory):
        if not check:
            # Before the change counts: what never happened is owed nothing.
            work.check()
        done.append(change)
        host.changed = True
        before = set(host.fired)
        host.fired |= change.triggers
        if not check:
            pending.triggers = set(host.fired)
            pending.save()
            try:
                change.apply()
            except Refused:
                pending.triggers = before
                pending.save()
                raise
    if not check:
        pending.triggers = set()
        pending.save()
    return {
        "changed": bool(done),
        "changes": [change.what for change in done],
        "diff": [
            {"before_header": change.what, "after_header": change.what, "before": change.before, "after": change.after}
            for change in done
        ],
        "restart_needed": sorted(pending.restarts),
        "unsupported": host.unsupported,
        "kept": kept,
        "resumed": owed,
    }


# Imports stand where they are needed: what is imported is compiled anew by every task.
# ruff: noqa: PLC0415
def _refuse(wanted: Mapping[str, Any]) -> None:
    """Raise ``HostError`` for what must not be done at all, before anything is."""
    if wanted["cluster"] and not wanted["cluster"]["instead"]:
        from .host_cluster import check as check_cluster

        check_cluster(wanted["cluster"]["stack"], wanted["cluster"]["says"])
    if wanted["users"]:
        from .host_users import refuse_lockout

        refuse_lockout(wanted["users"])
    if wanted["packages_refused"]:
        from .host_packages import refuse

        refuse(wanted["packages_refused"])
    if wanted["paths_refused"]:
        from .host_files import refuse as refuse_paths

        refuse_paths(wanted["paths_refused"])


def _with_former(wanted: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """What is wanted, with the end of units that are there and are wanted no longer; and what those have made."""
    if not wanted["units_former"]:
        return wanted, []
    from .host_former import former

    units, files, kept = former(wanted["units_former"], UNIT_DIRECTORY)
    return {**wanted, "units": [*wanted["units"], *units], "absent": [*wanted["absent"], *files]}, kept


def _subjects(wanted: Mapping[str, Any], host: Host, pending: Pending, memory: str) -> Iterator[Change]:
    if wanted["cluster"]:
        from .host_cluster import plan as plan_cluster

        yield from plan_cluster(
            wanted["cluster"]["stack"], wanted["cluster"]["says"], wanted["cluster"]["instead"], host
        )
    if wanted["repositories"]:
        from .host_files import plan_files

        yield from plan_files(wanted["repositories"], host)
    if wanted["packages"] or wanted["packages_absent"] or wanted["packages_held"]:
        from .host_packages import plan as plan_packages

        yield from plan_packages(wanted, host)
    if wanted["groups"] or wanted["users"]:
        from .host_users import plan_groups, plan_users

        yield from plan_groups(wanted["groups"], host)
        yield from plan_users(wanted["users"], host, memory)
    if wanted["hostname"] or wanted["timezone"]:
        from .host_identity import plan_hostname, plan_timezone

        yield from plan_hostname(wanted["hostname"], host) if wanted["hostname"] else ()
        yield from plan_timezone(wanted["timezone"], host) if wanted["timezone"] else ()
    # A unit whose file is gone can neither be stopped in its own way nor disabled.
    leaving = [unit for unit in wanted["units"] if f"{UNIT_DIRECTORY}/{unit['name']}" in wanted["absent"]]
    if leaving:
        from .host_units import plan as plan_leaving

        yield from plan_leaving(leaving, host, pending)
    if any(wanted[part] for part in ("directories", "files", "blocks", "absent", "sweep", "tidy")):
        from .host_files import plan_absent, plan_blocks, plan_directories, plan_files, plan_sweep, plan_tidy

        yield from plan_directories(wanted["directories"], host)
        yield from plan_files(wanted["files"], host)
        yield from plan_blocks(wanted["blocks"], host)
        yield from plan_sweep(wanted["sweep"], wanted["files"], host)
        yield from plan_absent(wanted["absent"], host)
        yield from plan_tidy(wanted["tidy"], host)
    if wanted["sysctl"] is not None:
        from .host_sysctl import plan as plan_sysctl

        yield from plan_sysctl(wanted["name"], wanted["sysctl"], wanted["sysctl_ignore_unsupported"], host)
    yield from _plan_commands(wanted["commands"], host)
    if wanted["units"] or host.fired:
        from .host_units import plan as plan_units

        yield from plan_units([unit for unit in wanted["units"] if unit not in leaving], host, pending)


def _plan_commands(commands: Sequence[Mapping[str, Any]], host: Host) -> Iterator[Change]:
    for command in commands:
        if host.fired & set(command["triggers"]):
            if not command["argv"]:
                raise HostError("a command has no program")
            yield Change(f"run {' '.join(command['argv'])}", _runner(command["argv"]))


def _runner(argv: Sequence[str]) -> Callable[[], None]:
    def call() -> None:
        run(argv, timeout=600.0)

    return call
