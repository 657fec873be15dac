# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom HAProxy believes what a client's address is: load balancers and content networks before it.

Private to the collection. Pure. Nobody else's word counts: what others send in such headers is deleted.
"""

from __future__ import annotations

from .haproxy_given import header_name, networks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .haproxy_text import Files

SETTINGS: dict[str, Any] = {"trusted_proxies": [], "client_header": "x-forwarded-for", "accept_proxy": []}
_LIST = "x-forwarded-for"
# So many trusted proxies may stand in a row.
_HOPS = 5


def check(made: dict[str, Any], errors: list[str]) -> None:
    """Bring the settings of this file into their form; what is wrong goes to ``errors``."""
    for name in ("trusted_proxies", "accept_proxy"):
        made[name] = networks(name, made[name], errors)
        errors += [
            f"{name}: {network} is everybody, so every client could say who it is"
            for network in made[name]
            if network.endswith("/0")
        ]
    made["client_header"] = header_name("client_header", str(made["client_header"]), errors)


def proxy_protocol(settings: Mapping[str, Any], files: Files) -> list[str]:
    """Lines of a frontend: these sources begin with the PROXY protocol, and nobody else."""
    if not settings["accept_proxy"]:
        return []
    return [f"tcp-request connection expect-proxy layer4 if {{ src {files.sources(settings['accept_proxy'])} }}"]


def true_client(settings: Mapping[str, Any], files: Files) -> list[str]:
    """Lines of an HTTP frontend that take the client's address from the header, if a trusted proxy sent it.

    They stand before the lines that delete what clients say about themselves. In a list of addresses each proxy adds
    the one that it saw: the last that is no proxy of ours is the client.
    """
    if not settings["trusted_proxies"]:
        return []
    trusted = f"{{ src {files.sources(settings['trusted_proxies'])} }}"
    header = settings["client_header"]
    lines = [
        f"http-request set-var(txn.proxied) bool(true) if {trusted}",
        "http-request set-var(txn.proto) req.hdr(x-forwarded-proto),lower if { var(txn.proxied) -m bool }",
        "http-request set-var(txn.port) req.hdr(x-forwarded-port) if { var(txn.proxied) -m bool }",
    ]
    for hop in range(1, _HOPS + 1 if header == _LIST else 2):
        address = f"req.hdr_ip({header},-{hop})"
        lines.append(f"http-request set-src {address} if {trusted} {{ {address} -m found }}")
    if header != _LIST:
        lines.append(f"http-request del-header {header} if !{{ var(txn.proxied) -m bool }}")
    return lines


def told(settings: Mapping[str, Any]) -> list[str]:
    """Lines of an HTTP frontend, after those that set what the connection says: what the proxy said instead."""
    if not settings["trusted_proxies"]:
        return []
    return [
        "http-request set-header x-forwarded-proto %[var(txn.proto)] if { var(txn.proto) -m str http https }",
        "http-request set-header x-forwarded-port %[var(txn.port)] if { var(txn.port) -m reg ^[0-9]{1,5}$ }",
        # One that spoke of the scheme alone meant its usual port.
        "http-request set-header x-forwarded-port 443 if { var(txn.proto) -m str https } !{ var(txn.port) -m found }",
    ]
