# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack gives HAProxy (its fragment): checking, normalizing, and joining the fragments of all stacks on a host.

Private to the collection. Pure. A normalized fragment is JSON data::

    stack: shop
    routes:   [{host: "shop.example" | "*.shop.example" | "", path: "/", backend: web, sticky: false, …}]
    backends: {web: {service: shop_web, port: 3000, maximum: 4, balance: roundrobin, check: CHECK, …},
               old: {servers: [{address: 192.0.2.7, port: 8080}], balance: roundrobin, check: CHECK}}
    settings: {…}        # only what differs from SETTINGS
    ports: […], logins: {…}, pages: {…}, maintenance: {…}, snippets: {…}      # only if there are any
    tls:      {…}        # haproxy_tls; only when the stack has HTTPS

What else a route may say is in ``haproxy_rules``, a backend in ``haproxy_upstream``; ``haproxy_tcp``,
``haproxy_logins``, ``haproxy_pages`` and ``haproxy_snippets`` have the last line. ``sticky`` may also be ``"source"``.

    CHECK: {http: "/healthz" | "", host: "", port: 0, interval: 2.0}      # port 0: the server's own; "" : a TCP check
"""

from __future__ import annotations

import ipaddress
import re

from . import (
    haproxy_limits,
    haproxy_logins,
    haproxy_pages,
    haproxy_rules,
    haproxy_snippets,
    haproxy_tcp,
    haproxy_tls,
    haproxy_trust,
    haproxy_upstream,
)
from .haproxy_given import integer, is_host, seconds, unknown
from .haproxy_slots import MOST_TASKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

SETTINGS: dict[str, Any] = {
    "image": "haproxy:3.0",
    "http_port": 80,
    "ipv6": True,
    "ipv6_subnet": "fd4c:6f6e:6773::/64",
    "maxconn": 0,
    "drain": 900,
    "stats_address": "127.0.0.1",
    "stats_port": 8404,
    "stats_user": "longshore",
    "stats_password": "",
    "metrics_address": "127.0.0.1",
    "metrics_port": 0,
    **haproxy_trust.SETTINGS,
    "timeout_connect": 2.0,
    "timeout_client": 60.0,
    "timeout_server": 60.0,
    "timeout_http_request": 10.0,
    "timeout_http_keep_alive": 30.0,
    "timeout_queue": 10.0,
    "timeout_tunnel": 3600.0,
    **haproxy_limits.SETTINGS,
    **haproxy_tls.SETTINGS,
}

RESERVED = ("cluster", "haproxy")
# The first is the default. leastconn sends most requests to the server that refuses them fastest: when a host with
# several tasks died under load, 5 of 9000 requests failed with it, each after four refusals.
BALANCE = ("roundrobin", "leastconn", "random", "source")

# A Swarm name is at most 64 characters; these are what this collection names its objects with.
_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9])?")
# The characters of RFC 3986's path, percent-encoding included.
_PATH = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*")
_CHECK_PATH = re.compile(r"/[A-Za-z0-9\-._~!$&()*+,;=:@%/?]*")
_IMAGE = re.compile(r"[a-zA-Z0-9][\w./:@-]{0,254}")


class HaproxyError(Exception):
    """What was asked can't be: ``errors`` holds every reason, each with its place."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


# Parts of a fragment that many stacks don't have.
PARTS = ("ports", "logins", "pages", "maintenance", "snippets", "tls")


def normalize(stack: str, routes: Any, backends: Any, settings: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    """The fragment of ``stack`` with every default filled in; ``parts`` are those of ``PARTS``.

    Raises ``HaproxyError`` with all that is wrong: unknown keys, hosts and paths that can't be, routes to no backend,
    two routes for one host and path.
    """
    errors: list[str] = []
    if not _NAME.fullmatch(stack):
        errors.append(f"stack: {stack!r} is not a name of letters, digits, '_', '.' and '-'")
    if stack in RESERVED:
        errors.append(f"stack: {stack!r} is the name of a directory in /etc/longshore that is no stack's")
    given = {str(name): value for name, value in dict(backends or {}).items()}
    made_backends = {name: _backend(f"backends.{name}", name, value, errors) for name, value in given.items()}
    made_routes = [_route(f"routes[{index}]", value, errors) for index, value in enumerate(routes or [])]
    seen: set[tuple[str, str, str]] = set()
    for index, route in enumerate(made_routes):
        if "redirect" not in route and route["backend"] not in made_backends:
            known = ", ".join(sorted(made_backends)) or "none"
            errors.append(f"routes[{index}]: no backend is named {route['backend']!r} (there is: {known})")
        key = _key(route)
        if key in seen:
            errors.append(f"routes[{index}]: {_place(route)} is routed twice")
        seen.add(key)
    made_settings = _settings(settings, errors)
    taken = _own_ports({**SETTINGS, **made_settings})
    made_parts = {
        "ports": haproxy_tcp.normalize(parts.get("ports"), made_backends, taken, errors),
        "logins": haproxy_logins.normalize(parts.get("logins"), made_routes, errors),
        "pages": haproxy_pages.normalize(parts.get("pages"), errors),
        "maintenance": haproxy_pages.maintenance(parts.get("maintenance"), errors),
        "snippets": haproxy_snippets.normalize(parts.get("snippets"), made_backends, errors),
        "tls": haproxy_tls.normalize(parts.get("tls"), errors),
    }
    fragment = {
        "stack": stack,
        "routes": sorted(made_routes, key=lambda route: (route["host"], route["path"])),
        "backends": {name: made_backends[name] for name in sorted(made_backends)},
        "settings": made_settings,
        **{name: part for name, part in made_parts.items() if part},
    }
    if errors:
        raise HaproxyError(errors)
    return fragment


def conflicts(fragments: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why these fragments can't stand together: one host and path in two stacks, one setting with two values."""
    errors = []
    routed: dict[tuple[str, str, str], str] = {}
    chosen: dict[str, tuple[str, Any]] = {}
    ordered = sorted(fragments, key=lambda item: str(item["stack"]))
    for fragment in ordered:
        stack = fragment["stack"]
        for route in fragment["routes"]:
            key = _key(route)
            if key in routed:
                errors.append(
                    f"{_place(route)} is routed by the stacks {routed[key]} and {stack}; only one can have it "
                    "(a stack that is long gone lets go of it with: rm /etc/longshore/<stack>/haproxy.json)"
                )
            routed.setdefault(key, stack)
        for name, value in fragment["settings"].items():
            if name in haproxy_limits.JOINED:
                continue
            other, theirs = chosen.setdefault(name, (stack, value))
            if theirs != value:
                shown = "" if name == "stats_password" else f" ({theirs!r} and {value!r})"
                errors.append(
                    f"{name} differs between the stacks {other} and {stack}{shown}; one HAProxy serves both, "
                    "so leave it out in one of them or make them equal"
                )
    return errors + haproxy_tcp.conflicts(ordered, _own_ports(settings_of(ordered)))


def settings_of(fragments: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of the host's HAProxy: the defaults, overlaid with what the stacks set."""
    merged = dict(SETTINGS)
    given = [fragment["settings"] for fragment in fragments]
    for settings in given:
        merged.update(settings)
    for name in haproxy_limits.JOINED:
        merged[name] = haproxy_limits.joined(settings.get(name, "") for settings in given)
    return merged


def networks_of(fragments: Iterable[Mapping[str, Any]]) -> list[str]:
    """The edge networks HAProxy must be on: one for each stack that has Swarm services behind it."""
    return sorted(
        f"{fragment['stack']}_edge"
        for fragment in fragments
        if any("service" in backend for backend in fragment["backends"].values())
    )


def ports_of(fragments: Iterable[Mapping[str, Any]]) -> list[int]:
    """The ports that pass TCP on, of all stacks."""
    return sorted(port["port"] for fragment in fragments for port in fragment.get("ports", []))


def _key(route: Mapping[str, Any]) -> tuple[str, str, str]:
    """What no two routes have in common."""
    return route["host"], route["path"], haproxy_rules.condition(route.get("match", {}))


def _own_ports(settings: Mapping[str, Any]) -> dict[int, str]:
    """Ports that HAProxy has for itself → the setting of each."""
    return {settings[name]: name for name in ("metrics_port", "stats_port", "http_port") if settings[name]}


def _place(route: Mapping[str, Any]) -> str:
    when = haproxy_rules.condition(route.get("match", {}))
    return f"{route['host'] or 'any host'}{route['path']}" + (f" with {when}" if when else "")


def _route(place: str, value: Any, errors: list[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        errors.append(f"{place}: must be a mapping with host, path, backend")
        return {"host": "", "path": "/", "backend": "", "sticky": False}
    value = {name: item for name, item in value.items() if item is not None}
    unknown(place, value, ("host", "path", "backend", "sticky", *haproxy_rules.KEYS), errors)
    host = str(value.get("host") or "").lower().rstrip(".")
    if host == "*":
        host = ""
    if host and not is_host(host):
        errors.append(
            f"{place}.host: {value.get('host')!r} is neither a host name (without port; international names in "
            "their xn-- form) nor '*.' and one"
        )
    path = str(value.get("path") or "/")
    if not _PATH.fullmatch(path):
        errors.append(f"{place}.path: {path!r} must begin with '/' and hold no '?', '#' or blank")
    rules = haproxy_rules.normalize(place, value, errors)
    if "redirect" in rules and value.get("backend"):
        errors.append(f"{place}: backend and redirect exclude each other")
    return {
        "host": host,
        "path": path.rstrip("/") or "/",
        "backend": str(value.get("backend") or ""),
        "sticky": haproxy_rules.sticky_of(f"{place}.sticky", value.get("sticky"), errors),
        **rules,
    }


def _backend(place: str, name: str, value: Any, errors: list[str]) -> dict[str, Any]:
    if not _NAME.fullmatch(name):
        errors.append(f"{place}: the name must be letters, digits, '_', '.' and '-'")
    if not isinstance(value, dict) or bool(value.get("service")) == bool(value.get("servers")):
        errors.append(f"{place}: must have either service (with port) or servers")
        return {"servers": [], "balance": BALANCE[0], "check": {}}
    balance = str(value.get("balance") or BALANCE[0])
    if balance not in BALANCE:
        errors.append(f"{place}.balance: {balance!r} is not one of {', '.join(BALANCE)}")
    common = {
        "balance": balance,
        "check": _check(f"{place}.check", value.get("check"), errors),
        **haproxy_upstream.normalize(place, value, errors),
    }
    if value.get("service"):
        unknown(place, value, ("service", "port", "maximum", "balance", "check", *haproxy_upstream.KEYS), errors)
        service = str(value["service"])
        if not _NAME.fullmatch(service):
            errors.append(f"{place}.service: {service!r} is not the name of a Swarm service")
        return {
            "service": service,
            "port": integer(f"{place}.port", value.get("port"), 1, 65535, errors),
            "maximum": integer(f"{place}.maximum", value.get("maximum") or 1, 1, MOST_TASKS, errors),
            **common,
        }
    unknown(place, value, ("servers", "balance", "check", *haproxy_upstream.KEYS), errors)
    servers = []
    for index, server in enumerate(value["servers"]):
        here = f"{place}.servers[{index}]"
        if not isinstance(server, dict):
            errors.append(f"{here}: must be a mapping with address and port")
            continue
        unknown(here, server, ("address", "port", "weight", "backup"), errors)
        address = str(server.get("address") or "").strip("[]")
        if not is_host(address.lower()) or address.startswith("*"):
            errors.append(f"{here}.address: {address!r} is neither an IP address nor a host name")
        made = {"address": address, "port": integer(f"{here}.port", server.get("port"), 1, 65535, errors)}
        if server.get("weight") not in (None, ""):
            made["weight"] = integer(f"{here}.weight", server["weight"], 0, 256, errors)
        servers.append({**made, "backup": True} if server.get("backup") else made)
    return {"servers": servers, **common}


def _check(place: str, value: Any, errors: list[str]) -> dict[str, Any]:
    value = value or {}
    if not isinstance(value, dict):
        errors.append(f"{place}: must be a mapping such as {{http: /healthz}} or {{tcp: true}}")
        return {}
    unknown(place, value, ("http", "tcp", "host", "port", "interval"), errors)
    path = str(value.get("http") or "")
    if path and not _CHECK_PATH.fullmatch(path):
        errors.append(f"{place}.http: {path!r} must be a path, without blanks and quotes")
    if path and value.get("tcp"):
        errors.append(f"{place}: http and tcp exclude each other")
    host = str(value.get("host") or "").lower()
    if host and not is_host(host):
        errors.append(f"{place}.host: {host!r} is not a host name")
    return {
        "http": path,
        "host": host,
        "port": integer(f"{place}.port", value.get("port") or 0, 0, 65535, errors),
        "interval": seconds(f"{place}.interval", value.get("interval") or 2.0, errors),
    }


def _settings(given: Mapping[str, Any], errors: list[str]) -> dict[str, Any]:
    unknown("settings", given, SETTINGS, errors)
    made = {**SETTINGS, **{name: value for name, value in given.items() if name in SETTINGS and value is not None}}
    for name, default in SETTINGS.items():
        if isinstance(default, float):
            made[name] = seconds(name, made[name], errors)
    for name in ("http_port", "https_port", "stats_port"):
        made[name] = integer(name, made[name], 1, 65535, errors)
    made["metrics_port"] = integer("metrics_port", made["metrics_port"], 0, 65535, errors)
    haproxy_trust.check(made, errors)
    made["limit_requests"] = integer("limit_requests", made["limit_requests"], 0, 1_000_000_000, errors)
    haproxy_limits.check(made, errors)
    made["maxconn"] = integer("maxconn", made["maxconn"], 0, 10_000_000, errors)
    made["drain"] = integer("drain", made["drain"], 1, 86400 * 7, errors)
    for name, others in (("stats_port", ("http_port",)), ("metrics_port", ("http_port", "stats_port"))):
        errors += [f"{name}: {made[name]} is {other} too" for other in others if made[name] == made[other]]
    haproxy_tls.check_settings(made, errors)
    if not _IMAGE.fullmatch(made["image"]):
        errors.append(f"image: {made['image']!r} is not a reference to an image")
    _stats(made, errors)
    try:
        subnet = ipaddress.ip_network(made["ipv6_subnet"])
        if subnet.version != 6 or subnet.prefixlen > 112:
            raise ValueError
    except ValueError:
        errors.append(f"ipv6_subnet: {made['ipv6_subnet']!r} is not an IPv6 network with room for addresses")
    return {name: value for name, value in made.items() if value != SETTINGS[name]}


def _stats(made: Mapping[str, Any], errors: list[str]) -> None:
    names = ("stats_user", "stats_password")
    errors += [f"{name}: holds a control character" for name in names if not str(made[name]).isprintable()]
    for name in ("stats_address", "metrics_address"):
        try:
            address = ipaddress.ip_address(made[name])
        except ValueError:
            errors.append(f"{name}: {made[name]!r} is not an IP address")
            continue
        if not address.is_loopback and not made["stats_password"]:
            errors.append(f"{name}: {address} can be reached from outside, so stats_password must be given")
