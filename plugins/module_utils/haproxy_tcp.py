# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the load balancer that pass TCP on, whatever is spoken on it. Private to the collection. Pure.

A port, normalized: ``{port: 5222, backend: chat, allow: […], deny: […], timeout: 3600.0}``. ``timeout`` is for how many
seconds a connection may be silent.
"""

from __future__ import annotations

from .haproxy_given import integer, networks, seconds, unknown
from .haproxy_text import milliseconds, section
from .haproxy_trust import proxy_protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from .haproxy_text import Files

KEYS = ("port", "backend", "allow", "deny", "timeout")
SUFFIX = ".tcp"
_LOG = (
    "%(time)[accept_date(ms),ms_utime(%Y-%m-%dT%H:%M:%SZ)]",
    "%(client)ci",
    "%(client_port:sint)cp",
    "%(frontend)ft",
    "%(backend)b",
    "%(server)s",
    "%(bytes:sint)B",
    "%(time_queue_ms:sint)Tw",
    "%(time_connect_ms:sint)Tc",
    "%(time_total_ms:sint)Tt",
    "%(termination)ts",
    "%(retries:sint)rc",
)


def normalize(
    value: Any, backends: Mapping[str, Any], taken: Mapping[int, str], errors: list[str]
) -> list[dict[str, Any]]:
    """The ports in their order; ``taken``: ports that HAProxy has for something else."""
    made = []
    used = dict(taken)
    for index, item in enumerate(value or []):
        place = f"ports[{index}]"
        if not isinstance(item, dict):
            errors.append(f"{place}: must be a mapping with port and backend")
            continue
        unknown(place, item, KEYS, errors)
        number = integer(f"{place}.port", item.get("port"), 1, 65535, errors)
        if number in used:
            errors.append(f"{place}.port: {number} is {used[number]} too")
        used[number] = f"ports[{index}].port"
        backend = str(item.get("backend") or "")
        if backend not in backends:
            known = ", ".join(sorted(backends)) or "none"
            errors.append(f"{place}: no backend is named {backend!r} (there is: {known})")
        port: dict[str, Any] = {"port": number, "backend": backend}
        for name in ("allow", "deny"):
            sources = networks(f"{place}.{name}", item.get(name), errors)
            if sources:
                port[name] = sources
        if item.get("timeout"):
            port["timeout"] = seconds(f"{place}.timeout", item["timeout"], errors)
        made.append(port)
    return sorted(made, key=lambda port: port["port"])


def conflicts(fragments: Iterable[Mapping[str, Any]], taken: Mapping[int, str]) -> list[str]:
    """Why the stacks' ports can't stand together."""
    errors = []
    holders: dict[int, str] = {}
    for fragment in fragments:
        for port in fragment.get("ports", []):
            number, stack = port["port"], fragment["stack"]
            if number in taken:
                errors.append(f"port {number} of the stack {stack} is {taken[number]} on this server")
            elif number in holders:
                errors.append(
                    f"port {number} is taken by the stacks {holders[number]} and {stack}; only one can have it"
                )
            holders.setdefault(number, stack)
    return errors


def defaults(settings: Mapping[str, Any]) -> str:
    """What holds for all of these ports and the backends behind them, which stand after it."""
    return section(
        "defaults tcp",
        "mode tcp",
        "log global",
        f'log-format "%{{+json}}o {" ".join(_LOG)}"',
        "option dontlognull",
        "option redispatch 1",
        "retries 5",
        "option clitcpka",
        "option srvtcpka",
        "srvtcpka-idle 2s",
        "srvtcpka-intvl 1s",
        "srvtcpka-cnt 3",
        "load-server-state-from-file global",
        f"timeout connect {milliseconds(settings['timeout_connect'])}",
        f"timeout client {milliseconds(settings['timeout_tunnel'])}",
        f"timeout server {milliseconds(settings['timeout_tunnel'])}",
        "timeout client-fin 10s",
        f"timeout queue {milliseconds(settings['timeout_queue'])}",
        "timeout check 2s",
    )


def frontend(
    fragment: Mapping[str, Any],
    port: Mapping[str, Any],
    binds: Sequence[str],
    settings: Mapping[str, Any],
    files: Files,
) -> str:
    """One port. Who may not connect is turned away before anything is read."""
    lines = [*binds, *proxy_protocol(settings, files)]
    # Not at the connection: its address may come by the PROXY protocol.
    if port.get("deny"):
        lines.append(f"tcp-request session reject if {{ src {files.sources(port['deny'])} }}")
    if port.get("allow"):
        lines.append(f"tcp-request session reject if !{{ src {files.sources(port['allow'])} }}")
    if port.get("timeout"):
        lines.append(f"timeout client {milliseconds(port['timeout'])}")
    lines.append(f"default_backend {fragment['stack']}.{port['backend']}{SUFFIX}")
    return section(f"frontend {fragment['stack']}.port.{port['port']}", *lines)
