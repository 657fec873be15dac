# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A member of a group of PostgreSQL servers, and on the primary what the whole group shares.

Private to the collection.
"""

from __future__ import annotations

import os
import time

from .data_place import Place, alone
from .host_change import HostError, attempt, run
from .host_files import read
from .host_programs import replaced
from .huge_pages import HugePages
from .patroni import PRIMARY, Group, differences, log_of, serves
from .postgresql_sql import Instance, plan, plan_members
from .rest import Rest
from .settings_text import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .host_change import Change
    from .run import Run

BASE = "/var/lib/postgresql"
# Parameters that hold for all instances.
_ALL = ("member", "present", "reloaded", "patience", "deadline", "huge_pages")
# Replicas may have fewer connections only after their primary has, so they wait for a second restart then.
ROUNDS = 2


def converge(given: Mapping[str, Any], check: bool, work: Run) -> dict[str, Any]:
    """Make the members of this server serve, and on a primary its group as wanted; the module's result.

    ``given`` are the parameters of ``postgresql_instances``. Raises ``HostError``, ``RestError`` and ``Cancelled``.
    """
    rest = Rest.of(given)
    changes: list[str] = []
    notices: list[str] = []
    roles: dict[str, str] = {}
    due, moves, kept = [], [], []
    for instance in given["instances"]:
        servers = {each["name"]: each["address"] for each in instance["servers"]}
        group = Group(rest, servers, instance["health_port"], work)
        wanted = {**{key: given[key] for key in _ALL}, **instance}
        place = Place("postgresql", instance["name"], work, instance["version"])
        directory = given["directories"].get(instance["name"], "")
        if given["state"] == "moved":
            made, roles[instance["name"]], absent = _moved(group, wanted, place, directory, check)
        elif given["state"] == "restarted":
            made, roles[instance["name"]], absent = _restarted(group, wanted, check)
        else:
            placed = list(place.present(directory, check))
            made, roles[instance["name"]], absent = _instance(group, wanted, check)
            made = [*placed, *made]
        if roles[instance["name"]]:
            pages, asked = HugePages(instance["name"], instance["port"]), instance["name"] in given["huge_pages"]
            for change in pages.plan(asked, check) if given["state"] == "present" else ():
                made.append(change.what)
                if not check:
                    change.apply()
            absent += filter(None, [pages.notice(asked)])
            due += [instance["name"]] if _outdated(wanted) else []
        moves += [instance["name"]] if place.due(directory) else []
        kept += place.kept
        changes += [f"{instance['name']}: {change}" for change in made]
        notices += absent
    known = {each["name"]: shown(each["settings"]) for each in given["instances"]}
    told = {"restart": due, "moves": moves, "kept": kept, "settings": known, "notices": notices}
    return {"changed": bool(changes), "changes": changes, "roles": roles, **told}


def _moved(
    group: Group, wanted: Mapping[str, Any], place: Place, directory: str, check: bool
) -> tuple[list[str], str, list[str]]:
    """As ``_instance``, where only data that are to be elsewhere are moved."""
    name, unit = wanted["member"], f"patroni@{wanted['name']}.service"
    changes = [place.move_in_words(directory, len(group.servers))] if place.due(directory) else []

    def whole() -> None:
        away = [each for each in group.servers if each != name and not serves(group.of(each))]
        if away:
            raise HostError(alone(wanted["name"], away))

    def ready() -> None:
        whole()
        if len(group.servers) > 1 and group.of(name).get("role") in PRIMARY:
            group.hand_over(name, "")
            group.await_member(name, wanted["patience"])

    if changes and not check:
        whole()
        place.move(directory, ready, lambda: _run_again(unit))
        group.await_member(name, wanted["patience"], wanted["deadline"])
    return changes, "primary" if group.of(name).get("role") in PRIMARY else "replica", []


def _run_again(unit: str) -> None:
    run(["systemctl", "start", unit], timeout=60.0)


def _restarted(group: Group, wanted: Mapping[str, Any], check: bool) -> tuple[list[str], str, list[str]]:
    """As ``_instance``, where only what runs a program that was replaced is restarted."""
    name = wanted["member"]
    changes = [f"restart of {name}"] if _outdated(wanted) else []
    if changes and not check:
        group.work.check()
        group.restart(name, pending=False)
    return changes, "primary" if group.of(name).get("role") in PRIMARY else "replica", []


def _logical(wanted: Mapping[str, Any]) -> Iterator[Change]:
    """Changes that make the logical databases."""
    passwords, instance = wanted["passwords"], Instance(wanted["port"])
    yield from plan_members(instance, passwords)
    yield from plan(instance, wanted["database"], passwords, wanted["extensions"])
    for name in wanted["also"]:
        yield from plan(instance, name, {**passwords["also"][name], "monitor": passwords["monitor"]}, ())


def _outdated(wanted: Mapping[str, Any]) -> bool:
    """Whether a member's PostgreSQL runs a program that was replaced by a newer one, or without its huge pages."""
    path = os.path.join(BASE, wanted["version"], wanted["name"], "postmaster.pid")
    process = (read(path) or b"").decode().partition("\n")[0].strip()
    pages = HugePages(wanted["name"], wanted["port"])
    return replaced(process) or (bool(process) and pages.due(wanted["name"] in wanted["huge_pages"]))


def _instance(group: Group, wanted: Mapping[str, Any], check: bool) -> tuple[list[str], str, list[str]]:
    """What was changed, the member's role, and what is missing."""
    changes = []
    name, unit = wanted["member"], f"patroni@{wanted['name']}.service"
    if not _runs(unit):
        changes.append("start")
        if check:
            return changes, "", []
        _start(group, wanted, unit)
    if check and not serves(group.of(name)):
        return changes, "", []
    try:
        group.await_member(name, wanted["patience"], wanted["deadline"])
    except HostError as error:
        raise HostError(f"{error}. Its log ends: {log_of(unit)}") from error
    if group.of(name).get("role") not in PRIMARY:
        return changes, "replica", []
    absent = _others(group, wanted, check)
    strangers = sorted(set(group.cluster()) - set(group.servers))
    changes += _shared(group, wanted, check, absent)
    for change in _logical(wanted):
        changes.append(change.what)
        if not check:
            group.work.check()
            change.apply()
    # A server that was only left out of the file goes on, and may become primary where nobody looks for it.
    told = [f"{name} is still a server of {wanted['name']}: longshore db remove ends it" for name in strangers]
    return changes, "primary", [*absent.values(), *told]


def _runs(unit: str) -> bool:
    code, _out, _error = attempt(["systemctl", "is-active", unit])
    return code == 0


def _start(group: Group, wanted: Mapping[str, Any], unit: str) -> None:
    """Start the agent. Where there are no data, whoever comes first makes the database: that is to be the first."""
    empty = not os.path.exists(os.path.join(BASE, wanted["version"], wanted["name"], "PG_VERSION"))
    first = next(iter(group.servers))
    if empty and wanted["member"] != first:
        until = time.monotonic() + wanted["patience"]
        while not group.primary():
            if time.monotonic() >= until:
                raise HostError(
                    f"there is no primary to copy: neither {first} nor another member has become one within "
                    f"{wanted['patience']} s"
                )
            group.work.wait(0.5)
    run(["systemctl", "start", unit], timeout=60.0)


def _others(group: Group, wanted: Mapping[str, Any], check: bool) -> dict[str, str]:
    """Name → words, of the other members that do not serve. Those of the run are waited for: they may be starting."""
    absent = {}
    for name in group.servers:
        if name == wanted["member"] or serves(group.of(name)):
            continue
        try:
            if check or name not in wanted["present"]:
                raise HostError(f"PostgreSQL on {name} does not serve {wanted['name']}")
            group.await_member(name, wanted["patience"], wanted["deadline"])
        except HostError as error:
            absent[name] = str(error)
    return absent


def _shared(group: Group, wanted: Mapping[str, Any], check: bool, absent: Mapping[str, str]) -> list[str]:
    """Converge what all members share, and restart those that need it: replicas first, one at a time."""
    name = wanted["member"]
    more = differences(wanted["dynamic"], group.config(name))
    changes = [f"configuration of the group: {', '.join(sorted(_words(more)))}"] if more else []
    if more and not check:
        group.configure(name, more)
    present = [each for each in group.servers if each not in absent]
    patience = 0.0 if check or not (more or wanted["reloaded"]) else _applied_after(wanted)
    for _round in range(1 if check else ROUNDS):
        due = _due(group, present, patience)
        if not due:
            break
        for each in sorted(due, key=lambda member: (member == name, member)):
            changes.append(f"restart of {each}")
            if not check:
                group.work.check()
                group.restart(each)
        patience = _applied_after(wanted)
    return changes


def _words(tree: Mapping[str, Any]) -> list[str]:
    return [word for key, value in tree.items() for word in (_words(value) if isinstance(value, dict) else [key])]


def _applied_after(wanted: Mapping[str, Any]) -> float:
    # Each member sees a change in its next round; then it needs a moment to see which settings want a restart.
    return float(wanted["dynamic"].get("loop_wait", 10)) + 4.0


def _due(group: Group, names: list[str], patience: float) -> list[str]:
    """The members that wait for a restart, as far as they know within ``patience`` seconds."""
    until = time.monotonic() + patience
    while True:
        due = [name for name in names if group.of(name).get("pending_restart")]
        if len(due) == len(names) or time.monotonic() >= until:
            return due
        group.work.wait(0.5)
