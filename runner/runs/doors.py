# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be reached of a stack's servers from here, against what their firewall lets in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from longshore.runs.probe import State, probe, source

if TYPE_CHECKING:
    from longshore.definition import Stack

# What is often open to everybody by mistake: shells, Docker, its Swarm, databases, queues, caches, their consoles.
USUAL = (
    *(21, 22, 23, 25, 53, 80, 111, 139, 389, 443, 445, 873, 2049, 2181, 2375, 2376, 2377, 2379, 2380, 3000, 3306, 3389),
    *(4369, 5000, 5432, 5433, 5671, 5672, 5984, 6379, 6432, 7946, 8000, 8008, 8080, 8404, 8432, 8443, 8888, 9000, 9042),
    *(9090, 9100, 9104, 9121, 9187, 9200, 9300, 9323, 10250, 11211, 15671, 15672, 25672, 26379, 27017),
)
# Of a range of ports in a rule, no more than these are dialled unless they are asked for.
_FIRST = 20


def ports_of(definition: Stack) -> list[int]:
    """The TCP ports that are dialled when nothing is said: those of the rules of any server, and the usual ones."""
    from longshore.definition.scalars import expand_range  # noqa: PLC0415 - pydantic only where a file was read

    found = set(USUAL)
    for server in definition.servers:
        for rules in definition.firewall_rules(server).values():
            for low, high in (expand_range(ports) for rule in rules for ports in rule["ports"]):
                found.update(range(low, min(high + 1, low + _FIRST)))
    return sorted(found)


def compare(
    definition: Stack, servers: Sequence[str], more: Iterable[int] = (), seen_as: str = ""
) -> list[dict[str, Any]]:
    """Dial ports of ``servers`` and those of ``more``: ``server``, ``port``, ``state``, ``allowed``, ``wrong`` of each.

    ``wrong`` says in words what should be otherwise; empty when nothing. ``seen_as`` is the address that servers see of
    this machine (empty: that by which it sends). Servers behind a gateway can't be dialled and are left out.
    """
    from longshore.definition.firewall_rules import lets_in  # noqa: PLC0415 - as above

    direct = [name for name in servers if not definition.servers[name].connection().gateways]
    ports = sorted({*ports_of(definition), *more})
    addresses = {name: definition.servers[name].address for name in direct}
    answers = probe((address, port) for address in addresses.values() for port in ports)
    found = []
    for name, address in addresses.items():
        rules, own = definition.firewall_rules(name), seen_as or source(address)
        for port in ports:
            state, allowed = answers[address, port], lets_in(rules, own, port)
            wrong = _wrong(state, allowed)
            found.append({"server": name, "port": port, "state": state.value, "allowed": allowed, "wrong": wrong})
    return found


def _wrong(state: State, allowed: bool) -> str:
    if state is State.OPEN and not allowed:
        return "is open, though no rule lets this machine in"
    if state is State.CLOSED and not allowed:
        return "is let through, though no rule lets this machine in; nobody listens there just now"
    if state is State.SILENT and allowed:
        return "gives no answer, though a rule lets this machine in: is there another firewall on the way?"
    return ""
