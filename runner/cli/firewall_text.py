# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall on a terminal, as text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from longshore.cli.tables import table

# More sources than these in one cell, and the rest are counted.
_SHOWN = 4


def rules(known: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> str:
    """One line per rule of each server; what is kept out comes first, as on the server."""
    rows = [
        (server, words, _who(rule), _what(rule), str(rule["name"]).partition(": ")[2] or str(rule["name"]))
        for server, kinds in known.items()
        for kind, words in (("deny", "keep out"), ("allow", "let in"))
        for rule in kinds[kind]
    ]
    return table(("SERVER", "", "WHO", "WHAT", "FOR"), rows)


def probed(found: Sequence[Mapping[str, Any]]) -> str:
    """Faults first, each in words; then what is open, and how much was dialled."""
    faults = [f"{each['server']}: {each['port']}/tcp {each['wrong']}" for each in found if each["wrong"]]
    rows = [
        (str(each["server"]), f"{each['port']}/tcp", str(each["state"]), "" if each["wrong"] else "as it should be")
        for each in found
        if each["state"] == "open" or each["allowed"]
    ]
    servers = len({each["server"] for each in found})
    end = f"{len(found)} ports of {servers} server{'s' if servers != 1 else ''} were dialled, {len(faults)} wrong"
    return "\n\n".join(part for part in ("\n".join(faults), table(("SERVER", "PORT", "STATE", ""), rows), end) if part)


def leases(known: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """One line per lease."""
    rows = [
        (server, str(lease["from"]), f"{lease['port']}/{lease['protocol']}", _time(int(lease["seconds"])))
        for server, listed in sorted(known.items())
        for lease in listed
    ]
    return table(("SERVER", "WHO", "PORT", "LEFT"), rows) or "no lease"


def _who(rule: Mapping[str, Any]) -> str:
    found = [str(each) for each in rule["from"]]
    if not found:
        return "everybody"
    if set(found) == {"0.0.0.0/0", "::/0"}:
        return "everybody outside"
    more = f", {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def _what(rule: Mapping[str, Any]) -> str:
    ports, protocol = ",".join(rule["ports"]), str(rule["protocol"])
    if protocol == "any":
        return f"{ports}/tcp+udp" if ports else "everything"
    return f"{ports}/{protocol}" if ports else protocol


def _time(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
