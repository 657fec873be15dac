# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking single values that somebody gave. Private to the collection. Pure.

Each function takes the value's place (``routes[0].path``) and a list, to which it adds what is wrong; what it gives is
right in any case, so that one error does not bring others.
"""

from __future__ import annotations

import ipaddress
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_HOST = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
# A token of RFC 9110, without what HAProxy or a shell would read something into.
_HEADER = re.compile(r"[A-Za-z0-9_-]{1,100}")


def unknown(place: str, value: Mapping[str, Any], known: Iterable[str], errors: list[str]) -> None:
    """Complain of keys that are not among the ``known``."""
    wrong = sorted(set(map(str, value)) - set(known))
    if wrong:
        errors.append(f"{place}: unknown {', '.join(wrong)} (known: {', '.join(known)})")


def integer(place: str, value: Any, least: int, most: int, errors: list[str]) -> int:
    """A whole number from ``least`` to ``most``."""
    if isinstance(value, bool) or not str(value).lstrip("-").isdigit() or not least <= int(value) <= most:
        errors.append(f"{place}: {value!r} is not a whole number from {least} to {most}")
        return least
    return int(value)


def seconds(place: str, value: Any, errors: list[str]) -> float:
    """A time in seconds."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = 0.0
    if not 0.001 <= found <= 86400 * 24:  # HAProxy's own limit of a timer is 2^31 ms
        errors.append(f"{place}: {value!r} is not a time in seconds")
        return 1.0
    return found


def is_host(host: str) -> bool:
    """Whether ``host`` is a name in lower case, ``*.`` and one, or an IP address."""
    if _HOST.fullmatch(host) and len(host) <= 253:
        return True
    try:
        return bool(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return False


def mapping(place: str, value: Any, what: str, errors: list[str]) -> dict[str, Any]:
    """A mapping; nothing stands for an empty one. ``what`` says what it should hold."""
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        errors.append(f"{place}: must be a mapping of {what}")
        return {}
    return {str(name): item for name, item in value.items()}


def listing(place: str, value: Any, what: str, errors: list[str]) -> list[Any]:
    """A list; one text stands for a list of one."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (list, tuple)):
        errors.append(f"{place}: must be a list of {what}")
        return []
    return list(value)


def networks(place: str, value: Any, errors: list[str]) -> list[str]:
    """Addresses and networks (``192.0.2.0/24``, ``2001:db8::1``), each once, in their order."""
    found = []
    for index, item in enumerate(listing(place, value, "addresses and networks", errors)):
        try:
            found.append(ipaddress.ip_network(str(item)))
        except ValueError as error:
            hint = " (the network's own address was meant?)" if "host bits" in str(error) else ""
            errors.append(f"{place}[{index}]: {item!r} is neither an IP address nor a network{hint}")
    short = [str(each.network_address if each.num_addresses == 1 else each) for each in found]
    return list(dict.fromkeys(short))


def header_name(place: str, name: str, errors: list[str]) -> str:
    """A header's name, in lower case."""
    if not _HEADER.fullmatch(name):
        errors.append(f"{place}: {name!r} is not the name of a header")
        return "x-none"
    return name.lower()


def line(place: str, value: Any, errors: list[str], longest: int = 1500) -> str:
    """A text of one line. HAProxy reads lines of at most 2 KB."""
    text = str(value)
    if not text.isprintable():
        errors.append(f"{place}: holds a line end or a control character")
        return ""
    if len(text.encode()) > longest:
        errors.append(f"{place}: has more than {longest} bytes")
        return ""
    return text


def choice(place: str, value: Any, known: tuple[str, ...], errors: list[str]) -> str:
    """One of the ``known`` words."""
    if value not in known:
        errors.append(f"{place}: {value!r} is not one of {', '.join(known)}")
        return known[0]
    return str(value)
