# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack tells the firewall of a server (its fragment): checked, normalized, and put together with others'.

Private to the collection. Pure. A normalized fragment is JSON data::

    stack: shop
    enabled: true
    allow: [RULE, …]
    deny:  [RULE, …]
    settings: {log: true, strict_source: true, container_interfaces: [docker0, …], trusted_interfaces: []}

    RULE: {name: "HTTP of shop", from: ["192.0.2.0/24", "2001:db8::1", containers], ports: ["80", "8000-8010"],
           protocol: tcp | udp | any | esp | vrrp}

Nobody in ``from``: everybody, the server's own containers too. No ``ports``: all of them.
"""

from __future__ import annotations

import ipaddress
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

# Stands in `from` for the containers of the server itself.
CONTAINERS = "containers"
PROTOCOLS = ("tcp", "udp", "any", "esp", "vrrp")
_WITH_PORTS = ("tcp", "udp", "any")
SETTINGS: dict[str, Any] = {
    "log": True,
    "strict_source": True,
    # Docker's own bridge, the one by which Swarm's services reach the world, and those of its other networks.
    "container_interfaces": ["docker0", "docker_gwbridge", "br-*"],
    "trusted_interfaces": [],
}
_STACK = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9])?")
# Directories in /etc/longshore that are no stack's.
RESERVED = ("cluster", "firewall", "haproxy")
# A comment of nftables is at most 128 bytes, and stands in quotes.
_NAME = re.compile(r"[^\"\\\x00-\x1f\x7f]{0,100}")
# A name of the kernel's has at most 15 characters; "*" at the end stands for the rest.
_INTERFACE = re.compile(r"[a-zA-Z0-9_.:@-]{1,15}|[a-zA-Z0-9_.:@-]{1,14}\*")


class FirewallError(Exception):
    """What was asked can't be: ``errors`` holds every reason, each with its place."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = list(errors)


def normalize(
    stack: str,
    rules: Mapping[str, Sequence[Mapping[str, Any]]],
    settings: Mapping[str, Any],
    enabled: bool = True,
) -> dict[str, Any]:
    """The fragment of ``stack``; ``rules`` has ``allow`` and ``deny``.

    Raises ``FirewallError`` with all that is wrong: unknown keys, what is no address, port or protocol, a rule that
    would keep everybody out.
    """
    errors: list[str] = []
    if not _STACK.fullmatch(stack) or stack in RESERVED:
        errors.append(f"stack: {stack!r} can't be a stack's name")
    made = {
        kind: [_rule(f"{kind}[{index}]", rule, errors) for index, rule in enumerate(rules.get(kind) or ())]
        for kind in ("allow", "deny")
    }
    for index, rule in enumerate(made["deny"]):
        place = f"deny[{index}]"
        if CONTAINERS in rule["from"]:
            errors.append(f"{place}.from: containers are kept out unless a rule lets them in")
        elif not rule["from"] and not rule["ports"]:
            errors.append(f"{place}: keeps everybody out of everything; name addresses in `from`, or `ports`")
    fragment = {"stack": stack, "enabled": bool(enabled), **made, "settings": _settings(settings, errors)}
    if errors:
        raise FirewallError(errors)
    return fragment


def merged(fragments: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The rules of a server: those of all its stacks, each once; what one stack denies is denied to all.

    A setting that is a list has what any of them has; ``log`` is on if one wants it, ``strict_source`` if none objects.
    """
    found = sorted(fragments, key=lambda fragment: str(fragment["stack"]))
    result: dict[str, Any] = {"allow": [], "deny": [], "settings": {"log": False, "strict_source": True}}
    for kind in ("allow", "deny"):
        for fragment in found:
            result[kind] += [rule for rule in fragment[kind] if rule not in result[kind]]
    settings = result["settings"]
    for each in (fragment["settings"] for fragment in found):
        settings["log"] = settings["log"] or each["log"]
        settings["strict_source"] = settings["strict_source"] and each["strict_source"]
        for name in ("container_interfaces", "trusted_interfaces"):
            settings[name] = sorted({*settings.get(name, ()), *each[name]})
    return result


def is_in_force(fragments: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a stack of the server wants it protected."""
    return any(fragment["enabled"] for fragment in fragments)


def networks(sources: Iterable[str], version: int) -> list[str]:
    """The addresses and networks of one family among ``sources``, overlapping ones as one, in order."""
    # Of one family, which is what the type of the next call wants to be told.
    found: list[Any] = [ipaddress.ip_network(source) for source in sources if source != CONTAINERS]
    kept = ipaddress.collapse_addresses([network for network in found if network.version == version])
    return [_shown(network) for network in kept]


def _shown(network: Any) -> str:
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def _rule(place: str, given: Any, errors: list[str]) -> dict[str, Any]:
    if not isinstance(given, dict):
        errors.append(f"{place}: must be a mapping with from, ports, protocol")
        return {"name": "", "from": [], "ports": [], "protocol": "tcp"}
    wrong = sorted(set(map(str, given)) - {"name", "from", "ports", "protocol"})
    if wrong:
        errors.append(f"{place}: unknown {', '.join(wrong)} (known: name, from, ports, protocol)")
    name = str(given.get("name") or "")
    if not _NAME.fullmatch(name):
        errors.append(f"{place}.name: must be at most 100 characters, without quotes and backslashes")
    protocol = str(given.get("protocol") or "tcp")
    if protocol not in PROTOCOLS:
        errors.append(f"{place}.protocol: {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    ports = [_ports(f"{place}.ports", each, errors) for each in _listed(given.get("ports"))]
    if ports and protocol not in _WITH_PORTS:
        errors.append(f"{place}.ports: {protocol} has no ports")
    sources = [_source(f"{place}.from", each, errors) for each in _listed(given.get("from"))]
    return {
        "name": name,
        "from": sorted(set(sources), key=_order),
        "ports": _joined({each for each in ports if each is not None}),
        "protocol": protocol,
    }


def _listed(given: Any) -> list[Any]:
    if given is None or given == "":
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _source(place: str, given: Any, errors: list[str]) -> str:
    if given == CONTAINERS:
        return CONTAINERS
    try:
        # An address of a network stands for the network, as people write it: 192.0.2.7/24.
        return _shown(ipaddress.ip_network(str(given), strict=False))
    except ValueError:
        errors.append(f"{place}: {str(given)[:64]!r} is neither an address nor a network, nor the word {CONTAINERS}")
        return CONTAINERS


def _order(source: str) -> tuple[int, int, int]:
    if source == CONTAINERS:
        return (9, 0, 0)
    network = ipaddress.ip_network(source)
    return (network.version, int(network.network_address), network.prefixlen)


def _ports(place: str, given: Any, errors: list[str]) -> tuple[int, int] | None:
    first, _sign, last = str(given).partition("-")
    if not isinstance(given, bool) and re.fullmatch(r"[0-9]{1,5}", first) and re.fullmatch(r"[0-9]{0,5}", last):
        low, high = int(first), int(last or first)
        if 1 <= low <= high <= 65535:
            return low, high
    errors.append(f"{place}: {str(given)[:40]!r} is neither a port from 1 to 65535 nor a range such as 8000-8010")
    return None


def _joined(ports: Iterable[tuple[int, int]]) -> list[str]:
    """Ranges in order, those that touch or overlap as one, since nftables takes no two that do."""
    found: list[list[int]] = []
    for low, high in sorted(ports):
        if found and low <= found[-1][1] + 1:
            found[-1][1] = max(high, found[-1][1])
        else:
            found.append([low, high])
    return [str(low) if low == high else f"{low}-{high}" for low, high in found]


def _settings(given: Mapping[str, Any], errors: list[str]) -> dict[str, Any]:
    wrong = sorted(set(map(str, given)) - set(SETTINGS))
    if wrong:
        errors.append(f"settings: unknown {', '.join(wrong)} (known: {', '.join(SETTINGS)})")
    made = {**SETTINGS, **{name: value for name, value in given.items() if name in SETTINGS and value is not None}}
    for name in ("container_interfaces", "trusted_interfaces"):
        made[name] = sorted({str(each) for each in made[name]})
        wrong = [each for each in made[name] if not _INTERFACE.fullmatch(each)]
        errors += [f"settings.{name}: {each[:32]!r} is not an interface such as wg0 or br-*" for each in wrong]
    made["log"], made["strict_source"] = bool(made["log"]), bool(made["strict_source"])
    return made
