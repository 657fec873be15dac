# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall's rules of each server: those that the stack itself needs, and those of the file."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from .firewall import CONTAINERS, Firewall, is_place, places
from .fixed_ports import BACKUP, EPMD, QUORUM, REGISTRY, SENTINEL, SWARM
from .https import PORT as CERTIFICATES
from .scalars import expand_range, is_ip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .firewall import FirewallRule
    from .stack import Stack

# Everybody but the server's own containers.
ANYWHERE = ("0.0.0.0/0", "::/0")


def rules(stack: Stack, server: str) -> dict[str, list[dict[str, Any]]]:
    """``allow`` and ``deny`` of one server: ``name``, ``from``, ``ports``, ``protocol`` of each.

    Nobody in ``from`` is everybody, the server's own containers too.
    """
    firewall = stack.firewall or Firewall()
    own = {
        kind: [
            _rule(f"{stack.name}: firewall.{kind}[{index}]", sources(stack, rule), rule.port, rule.speaks)
            for index, rule in enumerate(given)
            if not rule.to or named(stack, rule.to) & {server}
        ]
        for kind, given in (("allow", firewall.allow), ("deny", firewall.deny))
    }
    return {"allow": [*needed(stack, server), *own["allow"]], "deny": own["deny"]}


def needed(stack: Stack, server: str) -> Iterator[dict[str, Any]]:
    """What the stack itself needs on a server.

    Ports of databases, of what they agree by, and of the registry are open to the stack's servers on all of them: who
    holds one may be about to hand over to another, as the file says, and has to be reached until then.
    """
    yield from _login(stack, server)
    yield from _web(stack, server)
    hosts = stack.docker_hosts()
    inside = [CONTAINERS] if server in hosts else []
    if server in hosts:
        peers = _private(stack, hosts)
        for protocol in ("tcp", "udp"):
            ports = [str(number) for number, spoken in SWARM if spoken == protocol]
            yield _rule(f"{stack.name}: Swarm", peers, ports, protocol)
        if any(network.encrypted for network in stack.networks.values()):
            yield _rule(f"{stack.name}: encrypted networks", peers, (), "esp")
        if stack.has_builds():
            yield _rule(f"{stack.name}: registry", peers, [str(REGISTRY)])
    everybody = _private(stack, stack.servers)
    for database in stack.databases.values():
        if database.external is not None:
            continue
        client = [str(port) for port in (database.listens, database.health_port) if port is not None]
        yield _rule(f"{stack.name}: database {database.name}", [*everybody, *inside], client)
        between = [str(port) for port in (database.peer_port, database.exporter_port) if port is not None]
        if between:
            yield _rule(f"{stack.name}: database {database.name}, servers", everybody, between)
    yield from _quorums(stack, everybody, inside)


def _login(stack: Stack, server: str) -> Iterator[dict[str, Any]]:
    connection = stack.servers[server].connection()
    given = stack.firewall.ssh if stack.firewall is not None else []
    found = resolved(stack, given) if given else list(ANYWHERE)
    if given:
        for hop in connection.gateways:
            behind = [name for name, each in stack.servers.items() if each.address == hop.address]
            found += [*addresses(stack, behind), *([hop.address] if is_ip(hop.address) else [])]
    yield _rule(f"{stack.name}: SSH", found, [str(connection.port)])


def _web(stack: Stack, server: str) -> Iterator[dict[str, Any]]:
    balancer, balancers = stack.load_balancer, stack.load_balancers()
    if server in balancers:
        listens = [balancer.http_port, *([balancer.https_port] if balancer.tls is not None else [])]
        listens += [passed.published for passed in balancer.ports]
        yield _rule(f"{stack.name}: routes", (), [str(port) for port in listens])
        if not ipaddress.ip_address(balancer.stats.address).is_loopback:
            yield _rule(f"{stack.name}: statistics", (), [str(balancer.stats.port)])
        if balancer.metrics is not None and not ipaddress.ip_address(balancer.metrics.address).is_loopback:
            yield _rule(f"{stack.name}: figures of load balancers", (), [str(balancer.metrics.port)])
        if balancer.tls is not None and balancer.tls.acme is not None:
            yield _rule(f"{stack.name}: certificates", _private(stack, balancers), [str(CERTIFICATES)])
        if balancer.virtual_ip:
            yield _rule(f"{stack.name}: virtual addresses", _private(stack, balancers), (), "vrrp")
    for service in stack.services.values():
        if server not in stack.eligible_servers(service):
            continue
        for protocol in ("tcp", "udp"):
            ports = [
                f"{port.published}-{port.published + port.count - 1}" if port.count > 1 else str(port.published)
                for port in service.ports
                if port.published is not None and port.protocol == protocol
            ]
            if ports:
                yield _rule(f"{stack.name}: service {service.name}", (), ports, protocol)


def _quorums(stack: Stack, everybody: list[str], inside: list[str]) -> Iterator[dict[str, Any]]:
    if stack.etcd_members():
        yield _rule(f"{stack.name}: etcd", everybody, [str(port) for port in QUORUM])
    if stack.sentinels():
        yield _rule(f"{stack.name}: Sentinels", [*everybody, *inside], [str(SENTINEL)])
    if stack.data_servers("rabbitmq"):
        yield _rule(f"{stack.name}: RabbitMQ's nodes", everybody, [str(EPMD)])
    if stack.backed_up("pgbackrest"):
        yield _rule(f"{stack.name}: backups", everybody, [str(BACKUP)])


def lets_in(rules_of: Mapping[str, Sequence[Mapping[str, Any]]], source: str, port: int) -> bool:
    """Whether rules, as ``rules`` gives them, let the address ``source`` reach a port over TCP from outside."""

    def about(rule: Mapping[str, Any]) -> bool:
        if rule["protocol"] not in ("tcp", "any"):
            return False
        if rule["ports"] and not any(low <= port <= high for low, high in map(expand_range, rule["ports"])):
            return False
        return not rule["from"] or any(_within(source, place) for place in rule["from"] if place != CONTAINERS)

    return any(map(about, rules_of["allow"])) and not any(map(about, rules_of["deny"]))


def _within(address: str, place: str) -> bool:
    network = ipaddress.ip_network(place, strict=False)
    return is_ip(address) and ipaddress.ip_address(address) in network


def sources(stack: Stack, rule: FirewallRule) -> list[str]:
    """Addresses, networks and ``containers`` of a rule's ``from`` and ``files``."""
    listed = [place for file in rule.files for _line, place in places(stack.text(file))]
    return [*resolved(stack, rule.source), *listed]


def resolved(stack: Stack, given: Iterable[str]) -> list[str]:
    """What ``from`` says, with the addresses of servers and tags."""
    found: list[str] = []
    for each in given:
        found += [each] if each == CONTAINERS or is_place(each) else addresses(stack, named(stack, [each]))
    return list(dict.fromkeys(found))


def named(stack: Stack, names: Iterable[str]) -> set[str]:
    """The servers of these names, or with these tags."""
    wanted = set(names)
    return {name for name, server in stack.servers.items() if name in wanted or wanted & set(server.tags)}


def addresses(stack: Stack, names: Iterable[str]) -> list[str]:
    """Every address of these servers that the file knows."""
    wanted = set(names)
    return list(
        dict.fromkeys(
            address
            for name, server in stack.servers.items()
            if name in wanted
            for address in (server.private, server.address, server.public_address, server.public_address6)
            if address and is_ip(address)
        )
    )


def _private(stack: Stack, names: Iterable[str]) -> list[str]:
    return [stack.servers[name].private for name in names]


def _rule(name: str, who: Iterable[str], ports: Iterable[str], protocol: str = "tcp") -> dict[str, Any]:
    return {"name": name, "from": list(who), "ports": list(ports), "protocol": protocol}
