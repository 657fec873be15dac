# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a server as a file of nftables. Private to the collection. Pure.

One table of our own, looked at before Docker sends a connection on to a container: what a port is there is what the
client dialled, whether the server itself answers it or a container, by IPv4 or IPv6. What is dropped here no rule of
somebody else can let in, and Docker's own rules, however often it makes them anew, are left alone.

The file replaces all rules in one transaction. What stays is in the sets of leases, which are given by command and
end by themselves.
"""

from __future__ import annotations

from .firewall_model import CONTAINERS, networks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

TABLE = "inet longshore"
# Behind conntrack (-200), before destinations are changed (-100): netfilter's own numbers.
PRIORITY = -150
# Leases: for an address, and for everybody.
LEASES = {4: "leases4", 6: "leases6", 0: "leases"}
# Connections of before the first rules: an address, its port, and the server's.
KNOWN = {4: "known4", 6: "known6"}
CHAINS = ("denied", "containers", "outside")
# Takes the table away, whether it is there or not.
NOTHING = f"table {TABLE}\ndelete table {TABLE}\n"
_LOG = "limit rate 5/second burst 20 packets log level info prefix "
# What ICMP and ICMPv6 need so that connections work (RFC 4890 §4.4): errors, echo, and of neighbours only what can't
# have come through a router.
_ICMP = "icmp type { destination-unreachable, time-exceeded, parameter-problem, echo-request } accept"
_ICMP6 = (
    "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request, "
    "mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept"
)
_NEIGHBOURS = (
    "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } "
    "ip6 hoplimit 255 accept"
)
_NUMBERS = {"esp": "50", "vrrp": "112"}


def render(rules: Mapping[str, Any]) -> str:
    """The text for ``nft -f`` of what ``firewall_model.merged`` gives."""
    settings = rules["settings"]
    body = {
        "denied": list(_denied(rules["deny"])),
        "containers": list(_containers(rules["allow"], settings)),
        "outside": list(_outside(rules["allow"], settings)),
        "prerouting": list(_prerouting(settings)),
    }
    sets = [
        f"  set {LEASES[4]} {{ type ipv4_addr . inet_proto . inet_service; flags timeout; }}",
        f"  set {LEASES[6]} {{ type ipv6_addr . inet_proto . inet_service; flags timeout; }}",
        f"  set {LEASES[0]} {{ type inet_proto . inet_service; flags timeout; }}",
        f"  set {KNOWN[4]} {{ type ipv4_addr . inet_service . inet_service; flags timeout; }}",
        f"  set {KNOWN[6]} {{ type ipv6_addr . inet_service . inet_service; flags timeout; }}",
    ]
    lines = [
        "# Made by Longshore of the files /etc/longshore/*/firewall.json: changes here are undone by the next run.",
        f"table {TABLE} {{",
        *sets,
        *(f"  chain {name} {{ }}" for name in CHAINS),
        f"  chain prerouting {{ type filter hook prerouting priority {PRIORITY}; policy accept; }}",
        "}",
        f"flush table {TABLE}",
        f"table {TABLE} {{",
    ]
    for name in (*CHAINS, "prerouting"):
        lines += [f"  chain {name} {{", *(f"    {line}" for line in body[name]), "  }"]
    return "\n".join([*lines, "}", ""])


def _prerouting(settings: Mapping[str, Any]) -> Iterator[str]:
    yield 'iifname "lo" accept'
    # Also what goes on already, unless it was the server that began.
    yield "ct direction original jump denied"
    yield "ct state established,related accept"
    for name in settings["trusted_interfaces"]:
        yield f'iifname "{name}" accept'
    for name in settings["container_interfaces"]:
        yield f'iifname "{name}" goto containers'
    yield "goto outside"


def _denied(rules: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for rule in rules:
        yield from _matches(rule, "counter drop")


def _containers(rules: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> Iterator[str]:
    """What comes from the server's own containers. On the way to elsewhere it is Docker's business."""
    yield _ICMP
    yield _NEIGHBOURS
    yield _ICMP6
    yield "fib daddr type unicast accept"
    for rule in rules:
        if not rule["from"] or CONTAINERS in rule["from"]:
            yield from _matches({**rule, "from": []}, "accept")
    if settings["log"]:
        yield f'{_LOG}"longshore containers: "'
    # They are ours: told at once, where somebody outside is left waiting.
    yield "counter reject with icmpx admin-prohibited"


def _outside(rules: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> Iterator[str]:
    yield _ICMP
    yield _NEIGHBOURS
    yield _ICMP6
    yield "meta l4proto igmp accept"
    # Answers of DHCP come from whom nobody asked, as far as conntrack knows: the question went to all.
    yield "udp sport 67 udp dport 68 accept"
    yield "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept"
    yield "ct state invalid counter drop"
    if settings["strict_source"]:
        # Else anybody could send as one of the servers, and VXLAN asks for no answer.
        yield "fib saddr . iif oif missing counter drop"
    open_to = [rule for rule in rules if rule["from"] != [CONTAINERS]]
    # Its packets go to an address of all routers, which isn't the server's own.
    for rule in open_to:
        if rule["protocol"] == "vrrp":
            yield from _matches(rule, "accept")
    # To containers by their own addresses, past the ports of the server.
    yield "fib daddr type != local counter drop"
    yield f"ip saddr . tcp sport . tcp dport @{KNOWN[4]} accept"
    yield f"ip6 saddr . tcp sport . tcp dport @{KNOWN[6]} accept"
    for rule in open_to:
        if rule["protocol"] != "vrrp":
            yield from _matches(rule, "accept")
    yield f"ip saddr . meta l4proto . th dport @{LEASES[4]} accept"
    yield f"ip6 saddr . meta l4proto . th dport @{LEASES[6]} accept"
    yield f"meta l4proto . th dport @{LEASES[0]} accept"
    if settings["log"]:
        yield f'{_LOG}"longshore dropped: "'
    yield "counter drop"


def _matches(rule: Mapping[str, Any], verdict: str) -> Iterator[str]:
    """A line for each family that the rule is about."""
    what = _what(rule["protocol"], rule["ports"])
    comment = f' comment "{rule["name"]}"' if rule["name"] else ""
    end = f"{verdict}{comment}"
    if not rule["from"]:
        yield " ".join(filter(None, (what, end)))
        return
    for family, version in (("ip", 4), ("ip6", 6)):
        found = networks(rule["from"], version)
        if found:
            yield " ".join(filter(None, (f"{family} saddr {_set(found)}", what, end)))


def _what(protocol: str, ports: Sequence[str]) -> str:
    if protocol in _NUMBERS:
        return f"meta l4proto {_NUMBERS[protocol]}"
    if protocol == "any":
        return f"meta l4proto {{ tcp, udp }} th dport {_set(ports)}" if ports else ""
    return f"{protocol} dport {_set(ports)}" if ports else f"meta l4proto {protocol}"


def _set(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{{ {', '.join(items)} }}"
