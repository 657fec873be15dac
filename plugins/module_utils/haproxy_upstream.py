# Copyright (c) 2026, The Longshore founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How HAProxy speaks with the servers behind a backend. Private to the collection. Pure.

What a backend may say besides its servers, balance and check (only what was given is there)::

    scheme:      https | h2c          # http is the default; https speaks HTTP/2 where the server does
    verify:      false | {ca: "-----BEGIN …", name: api.internal}
    send_proxy:  v1 | v2              # the PROXY protocol tells the server who the client is
    maxconn:     100                  # requests at once that one server gets; others wait
    slow_start:  30.0                 # seconds in which a server that came back gets its full share
    compression: true
    timeouts:    {connect: 2.0, server: 60.0, queue: 10.0, tunnel: 3600.0}
"""

from __future__ import annotations

import ipaddress

from .haproxy_given import choice, integer, is_host, line, mapping, seconds, unknown
from .haproxy_text import milliseconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .haproxy_text import Files

KEYS = ("scheme", "verify", "send_proxy", "maxconn", "slow_start", "compression", "timeouts")
TIMEOUTS = ("connect", "server", "queue", "tunnel")
# What shrinks; pictures and archives don't.
_COMPRESSED = (
    "text/html text/css text/plain text/xml text/javascript application/javascript application/json "
    "application/xml application/manifest+json image/svg+xml"
)


def normalize(place: str, value: Mapping[str, Any], errors: list[str]) -> dict[str, Any]:
    """The keys of a backend that are this file's; what is wrong goes to ``errors``."""
    made: dict[str, Any] = {}
    scheme = choice(f"{place}.scheme", value.get("scheme") or "http", ("http", "https", "h2c"), errors)
    if scheme != "http":
        made["scheme"] = scheme
    if value.get("verify") not in (None, True):
        if scheme != "https":
            errors.append(f"{place}.verify: belongs to scheme: https")
        made["verify"] = _verify(f"{place}.verify", value["verify"], errors)
    if scheme == "https" and made.get("verify") is not False and not (made.get("verify") or _named(value)):
        errors.append(
            f"{place}.verify: whose certificate is right? Give {{name: HOST}} for the servers' name, {{ca: PEM}} for "
            "an authority of your own (whatever it signed is right), or false"
        )
    if value.get("send_proxy"):
        made["send_proxy"] = choice(f"{place}.send_proxy", value["send_proxy"], ("v1", "v2"), errors)
    if value.get("maxconn"):
        made["maxconn"] = integer(f"{place}.maxconn", value["maxconn"], 1, 1_000_000, errors)
    if value.get("slow_start"):
        made["slow_start"] = seconds(f"{place}.slow_start", value["slow_start"], errors)
    if value.get("compression"):
        made["compression"] = True
    timeouts = mapping(f"{place}.timeouts", value.get("timeouts"), ", ".join(TIMEOUTS), errors)
    unknown(f"{place}.timeouts", timeouts, TIMEOUTS, errors)
    timeouts = {name: seconds(f"{place}.timeouts.{name}", item, errors) for name, item in timeouts.items() if item}
    if timeouts:
        made["timeouts"] = {name: timeouts[name] for name in sorted(timeouts)}
    return made


def _named(value: Mapping[str, Any]) -> bool:
    """Whether the servers have names that certificates can be compared with."""
    servers = value.get("servers") or []
    return bool(servers) and all(isinstance(each, dict) and is_name(str(each.get("address"))) for each in servers)


def is_name(address: str) -> bool:
    """Whether an address is a name, not a number."""
    try:
        return not ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return True


def _verify(place: str, value: Any, errors: list[str]) -> Any:
    if value is False:
        return False
    given = mapping(place, value, "ca and name, or false", errors)
    unknown(place, given, ("ca", "name"), errors)
    name = line(f"{place}.name", given.get("name") or "", errors).lower()
    if name and (not is_host(name) or name.startswith("*")):
        errors.append(f"{place}.name: {name!r} is not a host name")
    authority = str(given.get("ca") or "").strip()
    if authority and "-----BEGIN CERTIFICATE-----" not in authority:
        errors.append(f"{place}.ca: holds no certificate (PEM, '-----BEGIN CERTIFICATE-----')")
    return {key: item for key, item in (("ca", authority), ("name", name)) if item}


def proxy_lines(backend: Mapping[str, Any], http: bool) -> list[str]:
    """Lines of the backend itself."""
    lines = [f"timeout {name} {milliseconds(time)}" for name, time in (backend.get("timeouts") or {}).items()]
    if backend.get("compression") and http:
        lines += ["compression algo gzip", f"compression type {_COMPRESSED}"]
    return lines


def server_words(backend: Mapping[str, Any], http: bool, files: Files, name: str = "") -> str:
    """Words at the end of a server's line; ``name``: of this server, when its address is one."""
    words = []
    if backend.get("scheme") == "https":
        words.append(_tls(backend.get("verify"), name, files) + (" alpn h2,http/1.1" if http else ""))
    elif backend.get("scheme") == "h2c" and http:
        words.append("proto h2")
    if backend.get("send_proxy"):
        words.append("send-proxy" if backend["send_proxy"] == "v1" else "send-proxy-v2")
    if backend.get("maxconn"):
        words.append(f"maxconn {backend['maxconn']}")
    if backend.get("slow_start"):
        words.append(f"slowstart {milliseconds(backend['slow_start'])}")
    return "".join(f" {word}" for word in words)


def _tls(verify: Any, name: str, files: Files) -> str:
    if verify is False:
        return "ssl verify none"
    given = verify or {}
    authorities = files.add("ca", given["ca"] + "\n", "pem") if given.get("ca") else "@system-ca"
    words = f"ssl verify required ca-file {authorities}"
    name = given.get("name") or name
    return f"{words} sni str({name}) check-sni {name} verifyhost {name}" if name else words
