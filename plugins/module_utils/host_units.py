# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units: enabled, running, reloaded and restarted after what they depend on changed.

Private to the collection.
"""

from __future__ import annotations

import os

from .host_change import Change, HostError, attempt, last_lines, run
from .host_files import UNITS_CHANGED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from .host_change import Host
    from .host_pending import Pending

RUNNING = ("active", "activating", "reloading")
ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")
# Starting a database on a slow disk may take minutes; systemd's own limit ends most units sooner. Seconds.
START_TIMEOUT = 600.0


def plan(units: Sequence[Mapping[str, Any]], host: Host, pending: Pending) -> Iterator[Change]:
    """Changes to units. Fills ``pending.restarts`` with the units whose restart the caller wants to do himself."""
    wanted = [unit for unit in units if not (unit["unless_container"] and os.path.exists("/run/systemd/container"))]
    if UNITS_CHANGED in host.fired and not host.check:
        run(["systemctl", "daemon-reload"])
    if not wanted:
        return
    shown = _show([unit["name"] for unit in wanted])
    if not host.check and any(state.get("NeedDaemonReload") == "yes" for state in shown):
        run(["systemctl", "daemon-reload"])
        shown = _show([unit["name"] for unit in wanted])
    for unit, state in zip(wanted, shown):
        if state["LoadState"] == "not-found" and not unit["masked"]:
            if unit["state"] == "stopped" and not unit["enabled"]:
                continue
            if not host.tentative:
                raise HostError(f"there is no unit {unit['name']}")
        yield from _plan_unit(unit, state, host, pending)


def parse(text: str) -> list[dict[str, str]]:
    """The answers of ``systemctl show`` for several units, in the order in which they were asked for."""
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in text.strip().split("\n\n")
        if block.strip()
    ]


def _plan_unit(unit: Mapping[str, Any], state: Mapping[str, str], host: Host, pending: Pending) -> Iterator[Change]:
    name = unit["name"]
    is_masked = state["LoadState"] == "masked"
    if is_masked != unit["masked"]:
        yield _do("mask" if unit["masked"] else "unmask", name, _words(state))
    enabled = state.get("UnitFileState", "") in ENABLED
    if unit["enabled"] is not None and enabled != unit["enabled"] and not unit["masked"]:
        yield _do("enable" if unit["enabled"] else "disable", name, _words(state))
    running = state["ActiveState"] in RUNNING
    if running and unit["state"] == "stopped":
        yield _do("stop", name, _words(state))
    elif not running and unit["state"] == "started":
        pending.restarts.pop(name, None)
        if state["ActiveState"] == "failed" and not host.check:
            # systemd refuses to start what has failed to start several times, even after its settings were mended.
            attempt(["systemctl", "reset-failed", name])
        yield _do("start", name, _words(state))
    elif running:
        yield from _refresh(unit, state, host, pending)


def _refresh(unit: Mapping[str, Any], state: Mapping[str, str], host: Host, pending: Pending) -> Iterator[Change]:
    name, invocation = unit["name"], state.get("InvocationID", "")
    restart = bool(host.fired & set(unit["restart_on"]))
    if unit["restart"] == "delegated":
        # A restart that somebody did meanwhile gave the unit a new invocation: then nothing is owed any more.
        if restart or pending.restarts.get(name) == invocation:
            pending.restarts[name] = invocation
        else:
            pending.restarts.pop(name, None)
        restart = False
    if restart:
        yield _do("restart", name, _words(state))
    elif host.fired & set(unit["reload_on"]) and name not in pending.restarts:
        yield _do("reload", name, _words(state))


def _do(verb: str, name: str, before: str) -> Change:
    return Change(f"{name}: {verb}", lambda: _systemctl(verb, name), f"{name} {before}\n", f"{name} {verb}\n")


def _systemctl(verb: str, name: str) -> None:
    code, out, error = attempt(["systemctl", verb, name], timeout=START_TIMEOUT)
    if code == 0:
        return
    _code, journal, _error = attempt(["journalctl", "--no-pager", "-q", "-o", "cat", "-n", "8", "-u", name])
    raise HostError(
        f"systemctl {verb} {name} failed: {last_lines(error or out, 2)}; its last words: {last_lines(journal)}"
    )


def _words(state: Mapping[str, str]) -> str:
    return " ".join(filter(None, (state.get("UnitFileState"), state.get("ActiveState"))))


def _show(names: Sequence[str]) -> list[dict[str, str]]:
    properties = "LoadState,ActiveState,UnitFileState,NeedDaemonReload,InvocationID"
    shown = parse(run(["systemctl", "show", f"--property={properties}", *names]))
    if len(shown) != len(names):
        raise HostError(f"systemctl show answered for {len(shown)} of the units {', '.join(names)}")
    return shown
