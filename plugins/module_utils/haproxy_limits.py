# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests one client may make, and which answers the access log tells apart. Private to the collection. Pure.

Settings: ``limit_requests`` (0: as many as he likes) in ``limit_per`` seconds, from one address; ``limit_except``
(addresses and networks, a blank between) are not counted; ``limit_answer`` is ``429`` at once, or ``tarpit``: 429 after
ten seconds, which costs a flood its connections.
"""

from __future__ import annotations

import ipaddress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .haproxy_text import Files

SETTINGS: dict[str, Any] = {"limit_requests": 0, "limit_per": 60.0, "limit_except": "", "limit_answer": "429"}
ANSWERS = ("429", "tarpit")
# What the stacks of a server say of these counts together; of all else they must say the same.
JOINED = ("limit_except",)
# Clients that are remembered, some 130 bytes each.
CLIENTS = "100k"
# The last of the three counters that a connection has: routes may count by the others.
COUNTER = "sc2"
# Systemd's level "notice". What has it was refused, by an application or here; fail2ban reads nothing else.
LEVEL = "notice"


def check(made: dict[str, Any], errors: list[str]) -> None:
    """Tell what is wrong with the settings; the exceptions come out in one spelling."""
    if made["limit_answer"] not in ANSWERS:
        errors.append(f"limit_answer: {made['limit_answer']!r} is not one of {', '.join(ANSWERS)}")
    networks = set()
    for word in str(made["limit_except"]).split():
        try:
            networks.add(str(ipaddress.ip_network(word)))
        except ValueError:
            errors.append(f"limit_except: {word!r} is neither an IP address nor a network")
    made["limit_except"] = " ".join(sorted(networks))


def joined(texts: Iterable[str]) -> str:
    """Several exceptions as one."""
    return " ".join(sorted({word for text in texts for word in text.split()}))


def sections(settings: Mapping[str, Any]) -> list[str]:
    """Where clients are counted."""
    if not settings["limit_requests"]:
        return []
    period = _period(settings)
    return [
        f"backend clients\n    stick-table type ipv6 size {CLIENTS} expire {period} store http_req_rate({period})\n"
    ]


def rules(settings: Mapping[str, Any], files: Files) -> list[str]:
    """A frontend's rules. They stand behind what finds out a client's true address."""
    told = [f"http-after-response set-log-level {LEVEL} if {{ status 400:499 }}"]
    if not settings["limit_requests"]:
        return told
    networks = settings["limit_except"].split()
    unless = f" unless {{ src {files.sources(networks)} }}" if networks else ""
    over = f"if {{ {COUNTER}_http_req_rate gt {settings['limit_requests']} }}"
    wait = max(1, round(settings["limit_per"]))
    if settings["limit_answer"] == "tarpit":
        refuse = ["timeout tarpit 10s", f"http-request tarpit deny_status 429 {over}"]
    else:
        page = "content-type text/plain string 'Too many requests. Please try again later.'"
        refuse = [f"http-request return status 429 {page} hdr retry-after {wait} {over}"]
    return [*told, f"http-request track-{COUNTER} src table clients{unless}", *refuse]


def _period(settings: Mapping[str, Any]) -> str:
    return f"{round(settings['limit_per'] * 1000)}ms"
